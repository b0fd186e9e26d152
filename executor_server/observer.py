"""The one hook that the layers call; logs and metrics hang on it and nowhere else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from executor_server.image_values import ImageProgress
    from executor_server.model import Caller, InputFile, Outcome, Program

CANCELLED = "its caller went, or the server ended it"


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """One execution as it ended: fit for an audit, without the program's code or data."""

    execution_id: str
    caller: Caller
    language: str
    version: str
    code_sha256: str
    """Of the request's code, in UTF-8."""
    files_sha256: str
    """Of its files, each as "<bytes of path>:<path><bytes of content>:<content>"; empty without files."""
    timeout_seconds: float
    cpu_time_limit_seconds: float
    memory_limit_mb: int
    cpu_limit: float
    output_limit_bytes: int
    output_overflow: str
    outcome: Outcome | None
    """None where the execution broke or was cancelled; ``error`` says how: CANCELLED, or what broke."""
    error: str
    seconds: float
    """From the moment it was taken to its end."""

    @property
    def status(self) -> str:
        """Name of its verdict; CANCELLED where it was not to have one, FAILED where it broke."""
        if self.outcome is not None:
            return self.outcome.status.name
        return "CANCELLED" if self.error == CANCELLED else "FAILED"

    @classmethod
    def of(
        cls,
        execution_id: str,
        caller: Caller,
        program: Program,
        outcome: Outcome | None,
        error: str,
        seconds: float,
    ) -> ExecutionRecord:
        """The record of one program."""
        limits = program.limits
        return cls(
            execution_id,
            caller,
            program.language.name,
            program.version.version,
            hashlib.sha256(program.code).hexdigest(),
            _digest(program.files),
            limits.timeout_seconds,
            limits.cpu_time_limit_seconds,
            limits.memory_limit_mb,
            limits.cpu_limit,
            limits.output_limit_bytes,
            program.overflow.name,
            outcome,
            error,
            seconds,
        )


def _digest(files: Iterable[InputFile]) -> str:
    digest, empty = hashlib.sha256(), True
    for file in files:
        path, empty = file.path.encode(), False
        digest.update(b"%d:%b%d:" % (len(path), path, len(file.content)))
        digest.update(file.content)
    return "" if empty else digest.hexdigest()


class Observer:
    """What can be observed. Every method may be overridden; none may raise or wait."""

    def engine_call(self, name: str, seconds: float, error: str | None) -> None:
        """A call to the engine ended."""

    def sandbox_made(self, image: str, seconds: float) -> None:
        """A sandbox is ready: created, started, its agent has said hello."""

    def sandbox_removed(self, container: str, seconds: float, how: str) -> None:
        """A sandbox is gone; ``how`` is ``"itself"``, ``"forced"`` or ``"lost"``."""

    def sandbox_broken(self, image: str, error: str) -> None:
        """A sandbox broke, before or during its command."""

    def reaped(self, container: str, why: str) -> None:
        """A container that nobody owned any more was removed."""

    def execution_ended(self, record: ExecutionRecord) -> None:
        """An execution ended, however."""

    def request_refused(self, caller: Caller | None, code: str, reason: str, message: str) -> None:
        """A request was refused before anything was started for it."""

    def queue_changed(self, waiting: int, running: int) -> None:
        """How many executions wait for a place and how many have one."""

    def service_state(self, serving: bool, reason: str) -> None:
        """The service began or ceased to be able to run programs."""

    def image_progress(self, progress: ImageProgress) -> None:
        """An image is being made, was made, or could not be made."""

    def frame(self, container: str, direction: str, name: str, size: int) -> None:
        """A frame came (``"in"``), or frames of ``size`` bytes were sent; only where tracing is on."""

    def warn(self, message: str) -> None:
        """Something that an operator should know; the service goes on."""

    def internal_error(self, error_id: str, error: BaseException) -> None:
        """Something broke that is our fault; the caller sees only the id."""


class Observers(Observer):
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        """They are called in this order."""
        self._observers = observers


def _to_all(name: str) -> Callable[..., None]:
    def call(self: Observers, *args: object) -> None:
        for observer in self._observers:
            getattr(observer, name)(*args)

    return call


for _name in [name for name in vars(Observer) if not name.startswith("_")]:
    setattr(Observers, _name, _to_all(_name))
