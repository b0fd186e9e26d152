"""Structured logs: one JSON line for each thing that happened, or readable text on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from executor_server.image_values import Step
from executor_server.observer import CANCELLED, Observer

if TYPE_CHECKING:
    from executor_server.image_values import ImageProgress
    from executor_server.model import Caller, Stage
    from executor_server.observer import ExecutionRecord

_REPEATED_CALLS = frozenset({"ping", "events"})
_LEVELS = {0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG, 3: logging.DEBUG}


def configure(verbosity: int, form: str) -> None:
    """Send every log line to standard error; ``form`` is ``auto``, ``json`` or ``text``."""
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[verbosity]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


class LogObserver(Observer):
    """Writes what is observed, as much as the verbosity asks for."""

    def __init__(self) -> None:
        """Use the logger that ``configure`` has set up."""
        self._log = structlog.get_logger()

    def execution_ended(self, record: ExecutionRecord) -> None:
        """One line for each execution, fit for an audit: never its code, input or output."""
        outcome = record.outcome
        fields: dict[str, Any] = {
            "execution_id": record.execution_id,
            "caller": record.caller.name,
            "front": record.caller.front,
            "language": record.language,
            "version": outcome.language.version if outcome else record.version,
            "code_sha256": record.code_sha256,
            "files_sha256": record.files_sha256,
            "timeout_seconds": record.timeout_seconds,
            "cpu_time_limit_seconds": record.cpu_time_limit_seconds,
            "memory_limit_mb": record.memory_limit_mb,
            "cpu_limit": record.cpu_limit,
            "output_limit_bytes": record.output_limit_bytes,
            "output_overflow": record.output_overflow,
            "seconds": round(record.seconds, 6),
        }
        if outcome is None:
            tell = self._log.info if record.error == CANCELLED else self._log.warning
            tell(f"execution {record.status.lower()}", error=record.error, **fields)
            return
        timings = outcome.timings
        fields |= {
            "status": outcome.status.name,
            "queue_seconds": round(timings.queue_seconds, 6),
            "setup_seconds": round(timings.setup_seconds, 6),
            "warm": timings.warm,
            "compile_cached": timings.compile_cached,
        }
        for name, stage in (("compile", outcome.compile), ("run", outcome.run)):
            if stage is not None:
                fields[name] = _usage(stage)
        self._log.info("execution", **fields)

    def request_refused(self, caller: Caller | None, code: str, reason: str, message: str) -> None:
        """Tell of it."""
        name = caller.name if caller else ""
        self._log.info("refused", caller=name, code=code, reason=reason, message=message)

    def warn(self, message: str) -> None:
        """Tell of it."""
        self._log.warning(message)

    def internal_error(self, error_id: str, error: BaseException) -> None:
        """Tell of it with everything that the caller does not see."""
        self._log.error("internal error", id=error_id, exc_info=error)

    def service_state(self, serving: bool, reason: str) -> None:
        """Tell of every change."""
        if serving:
            self._log.info("serving")
        else:
            self._log.warning("not serving", reason=reason)

    def image_progress(self, progress: ImageProgress) -> None:
        """A line at the start and at the end of each image."""
        fields: dict[str, Any] = {"image": progress.name}
        if progress.step is not Step.STARTED:
            fields |= {"seconds": round(progress.seconds, 1)}
        if progress.step is Step.READY:
            fields |= {"megabytes": round(progress.size_bytes / 1e6)}
        if progress.step is Step.FAILED:
            self._log.warning("image failed", reason=progress.reason, **fields)
        else:
            self._log.info(f"image {progress.step.value}", **fields)

    def sandbox_broken(self, image: str, error: str) -> None:
        """Tell of it."""
        self._log.warning("sandbox broke", image=image, error=error)

    def reaped(self, container: str, why: str) -> None:
        """Tell of it."""
        self._log.warning("container reaped", container=container[:12], why=why)

    def engine_call(self, name: str, seconds: float, error: str | None) -> None:
        """Tell of failures always, of the rest from -v=2 on.

        An engine that does not answer its pings is told of as a change of the service's state.
        """
        if error is not None and name not in _REPEATED_CALLS:
            self._log.warning(
                "engine call failed", call=name, seconds=round(seconds, 4), error=error
            )
        else:
            self._log.debug("engine call", call=name, seconds=round(seconds, 4), error=error)

    def sandbox_made(self, image: str, seconds: float) -> None:
        """From -v=2 on."""
        self._log.debug("sandbox made", image=image, seconds=round(seconds, 4))

    def sandbox_removed(self, container: str, seconds: float, how: str) -> None:
        """From -v=2 on; one that could not be removed always."""
        fields = {"container": container[:12], "seconds": round(seconds, 4), "how": how}
        if how == "lost":
            self._log.warning("sandbox not removed", **fields)
        else:
            self._log.debug("sandbox removed", **fields)

    def frame(self, container: str, direction: str, name: str, size: int) -> None:
        """At -v=3 only; nothing calls it otherwise."""
        self._log.debug(
            "frame", container=container[:12], direction=direction, type=name, bytes=size
        )


def _usage(stage: Stage) -> dict[str, Any]:
    result = stage.result
    return {
        "status": stage.status.name,
        "exit_code": result.exit_code,
        "signal": result.signal,
        "wall_seconds": result.wall_seconds,
        "cpu_seconds": result.cpu_seconds,
        "memory_peak_bytes": result.memory_peak_bytes,
        "stdout_bytes": result.stdout_total,
        "stderr_bytes": result.stderr_total,
    }
