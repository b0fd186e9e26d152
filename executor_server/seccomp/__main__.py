"""`python -m executor_server.seccomp`: renders policy.toml to profile.json."""

import sys

from executor_server.seccomp.generate import write

sys.stdout.write(f"{write()}\n")
