"""What can go wrong below the edge, as values that say whose fault it is. A failing program is no error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that cannot be taken."""

    field: str
    """Path of the field in the request, for example ``files[2].path``."""
    reason: str
    """Constant in UPPER_SNAKE_CASE, for programs."""
    description: str
    """What was wrong and what is allowed, for people."""


class InvalidRequestError(Exception):
    """The request is the caller's fault; nothing was started."""

    def __init__(self, *violations: FieldViolation) -> None:
        """Take the violations; there is at least one."""
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = violations


class UnavailableError(Exception):
    """The service cannot take the execution now; a later attempt may succeed. Nothing was started."""

    def __init__(self, reason: str, message: str, retry_after_seconds: float) -> None:
        """Take a constant reason, a message for people and when to try again."""
        super().__init__(message)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class DeadlineError(Exception):
    """The caller's own deadline comes before the execution could start. Nothing was started."""

    def __init__(self, ahead: int, expected_seconds: float) -> None:
        """Take how many would go before it and how long that would take."""
        super().__init__(
            f"{ahead} executions go before this one, which would start in about "
            f"{expected_seconds:.1f} s, after the call's deadline"
        )


class EngineError(Exception):
    """A call to the engine failed, or did not answer in time."""

    def __init__(self, call: str, message: str, status: int = 0) -> None:
        """Take the name of the call, what was said, and the HTTP status (0 where none came)."""
        super().__init__(f"engine call {call} failed: {message}")
        self.call = call
        self.status = status


class ImageLostError(EngineError):
    """The engine has no such image any more, though it had."""


class SandboxError(Exception):
    """A sandbox broke: nobody's program is to blame, and the message is for the log only."""


class SandboxStartError(SandboxError):
    """A sandbox broke before any program started in it: another one may be tried."""
