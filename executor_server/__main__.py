"""``python -m executor_server`` is the command ``code-executor``."""

import sys

from executor_server.cli import main

sys.exit(main())
