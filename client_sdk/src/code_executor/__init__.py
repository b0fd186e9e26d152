"""Client of the code-executor service."""
