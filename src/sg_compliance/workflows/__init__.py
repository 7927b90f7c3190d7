"""The use cases: the only place that knows in which order things happen to the world."""
