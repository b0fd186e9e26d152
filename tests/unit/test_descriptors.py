"""How many files the service may open, where a shell gives it few."""

import resource
import subprocess
import sys

PROGRAM = """
import resource
from executor_server.service_process import _allow_descriptors
_allow_descriptors()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limits_after(soft: int, hard: int) -> str:
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(
        command, preexec_fn=lower, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_soft_limit_becomes_the_hard_one():
    assert limits_after(256, 1500) == "1500 1500"


def test_a_limit_that_is_high_enough_stays():
    assert limits_after(1500, 1500) == "1500 1500"
