"""The benchmark's own arithmetic, without an engine."""
