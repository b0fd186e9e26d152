"""The table of verdicts: what each end of a command stands for."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from executor_server.model import Cause, Status
from executor_server.verdict import verdict
from tests.unit.values import a_result

SIGKILL, SIGSEGV, SIGXCPU, SIGXFSZ = (
    {"cause": Cause.SIGNALED, "signal": int(number), "exit_code": 128 + number}
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGXCPU, signal.SIGXFSZ)
)
LIMITED, FREE = True, False


@pytest.mark.parametrize(
    ("end", "cpu_limited", "status"),
    [
        ({"exit_code": 0}, FREE, Status.OK),
        ({"exit_code": 1}, FREE, Status.RUNTIME_ERROR),
        ({"exit_code": 137}, FREE, Status.RUNTIME_ERROR),
        (SIGSEGV, FREE, Status.SIGNALED),
        (SIGKILL, FREE, Status.SIGNALED),
        (SIGXCPU, FREE, Status.SIGNALED),
        (SIGXCPU, LIMITED, Status.CPU_TIME_EXCEEDED),
        (SIGXFSZ, FREE, Status.OUTPUT_EXCEEDED),
        ({"cause": Cause.WALL}, LIMITED, Status.TIMEOUT),
        ({"cause": Cause.CPU}, LIMITED, Status.CPU_TIME_EXCEEDED),
        ({"cause": Cause.OUTPUT}, FREE, Status.OUTPUT_EXCEEDED),
        ({"cause": Cause.KILLED}, FREE, Status.CANCELLED),
        # A memory kill explains what came of it, and nothing else does.
        ({**SIGKILL, "oom_kills": 1}, FREE, Status.MEMORY_EXCEEDED),
        ({"exit_code": 0, "oom_kills": 1}, FREE, Status.MEMORY_EXCEEDED),
        ({"exit_code": 1, "oom_kills": 2}, FREE, Status.MEMORY_EXCEEDED),
        ({"cause": Cause.WALL, "oom_kills": 1}, FREE, Status.MEMORY_EXCEEDED),
        ({"cause": Cause.OUTPUT, "oom_kills": 1}, FREE, Status.OUTPUT_EXCEEDED),
        # Not known is not zero, and not more than zero either.
        ({**SIGKILL, "oom_kills": None}, FREE, Status.SIGNALED),
    ],
)
def test_verdict(end: dict[str, Any], cpu_limited: bool, status: Status) -> None:
    assert verdict(a_result(**end), cpu_limited=cpu_limited) is status
