"""The execution service: the single source of truth behind every front."""

import os

__version__ = "1.0.0"

# gRPC's fork handlers complain of every subprocess, into the log, and none of ours uses gRPC. It looks
# here once, when it is loaded, so this comes before everything that loads it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
