"""What a command's end stands for."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from executor_server.model import Cause, Status

if TYPE_CHECKING:
    from executor_server.model import CommandResult


def verdict(result: CommandResult, *, cpu_limited: bool) -> Status:
    """The status that a command's end stands for.

    A memory kill wins over what came of it: a program whose worker was killed may fail, or hang until
    its time is up.
    """
    if result.cause is Cause.OUTPUT:
        return Status.OUTPUT_EXCEEDED
    if result.oom_kills:
        return Status.MEMORY_EXCEEDED
    if result.cause is Cause.SIGNALED:
        return _of_signal(result.signal, cpu_limited)
    if result.cause is Cause.EXITED:
        return Status.RUNTIME_ERROR if result.exit_code else Status.OK
    return _OF_CAUSE[result.cause]


_OF_CAUSE = {
    Cause.WALL: Status.TIMEOUT,
    Cause.CPU: Status.CPU_TIME_EXCEEDED,
    Cause.KILLED: Status.CANCELLED,
}


def _of_signal(number: int, cpu_limited: bool) -> Status:
    if number == signal.SIGXCPU and cpu_limited:
        return Status.CPU_TIME_EXCEEDED
    return Status.OUTPUT_EXCEEDED if number == signal.SIGXFSZ else Status.SIGNALED
