"""The execution service: the single source of truth behind every front."""

__version__ = "1.0.0"
