"""Values of the model with defaults, so that a test names only what it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from executor_server.model import Cause, Command, CommandResult, MeasuredBy, SandboxSpec
from executor_server.observer import Observer

_RESULT = CommandResult(
    cause=Cause.EXITED,
    exit_code=0,
    signal=0,
    oom_kills=0,
    wall_seconds=0.25,
    cpu_seconds=0.125,
    memory_peak_bytes=3 * 2**20,
    stdout_total=0,
    stderr_total=0,
    measured_by=MeasuredBy.CGROUP_V2,
    collect_seconds=0.0,
)
_SPEC = SandboxSpec(image="image", memory_mb=128, cpus=0.5, pids=64, box_mb=96, tmp_mb=64)
_COMMAND = Command(
    argv=("program",),
    env={},
    files=(),
    stdin=b"",
    wall_seconds=10.0,
    cpu_seconds=0.0,
    output_cap=1000,
    kill_on_overflow=False,
)


def a_result(**changes: Any) -> CommandResult:
    """How a command ended: well, unless changed."""
    return replace(_RESULT, **changes)


def a_spec(**changes: Any) -> SandboxSpec:
    """What a sandbox is made from."""
    return replace(_SPEC, **changes)


def a_command(**changes: Any) -> Command:
    """What one sandbox runs."""
    return replace(_COMMAND, **changes)


class Recorder(Observer):
    """Writes down what it is told: the name of each call with its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def told(self, name: str) -> list[tuple[Any, ...]]:
        """Arguments of every call of this name."""
        return [arguments for found, arguments in self.calls if found == name]


def _recording(name: str) -> Callable[..., None]:
    def record(self: Recorder, *arguments: Any) -> None:
        self.calls.append((name, arguments))

    return record


for _name in [name for name in vars(Observer) if not name.startswith("_")]:
    setattr(Recorder, _name, _recording(_name))
