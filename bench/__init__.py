"""The benchmark: measures the service beside what it is compared with, in one run (``python -m bench``)."""

# Before gRPC, which it tells what to do about forks: ``docker run`` is a subprocess beside it.
import executor_server  # noqa: F401
