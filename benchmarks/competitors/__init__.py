"""The compared tools, each in a virtual environment of its own, pinned exactly."""
