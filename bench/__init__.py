"""The benchmark: measures the service beside what it is compared with, in one run (``python -m bench``)."""

from executor_server.settings import quiet_grpc

# gRPC reads this when it is imported, and the command ``docker run`` is a subprocess beside it.
quiet_grpc()
