"""The benchmark: measures the service beside what it is compared with, in one run (``python -m bench``)."""
