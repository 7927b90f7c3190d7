"""The sockets on files and SQLite: what works from a laptop with no AWS at all."""
