"""What the log and the metrics make of what they are told."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from executor_server.image_values import ImageProgress, Step
from executor_server.language_file import load_languages
from executor_server.log import LogObserver, configure
from executor_server.metrics import MetricsObserver
from executor_server.model import (
    Caller,
    Encoding,
    InputFile,
    LanguageUsed,
    Outcome,
    Overflow,
    Program,
    RunLimits,
    Stage,
    Status,
    Timings,
)
from executor_server.observer import CANCELLED, ExecutionRecord, Observer, Observers
from tests.unit.values import Recorder, a_result

LANGUAGES = Path(__file__).parents[2] / "languages"
USED = LanguageUsed("python", "3.13.5", "image", "sha256:1")
OUTCOME = Outcome(
    execution_id="id",
    language=USED,
    status=Status.OK,
    compile=None,
    run=Stage(Status.OK, a_result(stdout_total=5)),
    stdout_truncated=False,
    stderr_truncated=False,
    timings=Timings(queue_seconds=0.5, run_seconds=0.25),
)


def a_record(outcome: Outcome | None = OUTCOME, error: str = "") -> ExecutionRecord:
    return ExecutionRecord(
        execution_id="id",
        caller=Caller("ip:127.0.0.1", "rest"),
        language="python",
        version="3.13",
        code_sha256="abc",
        files_sha256="",
        timeout_seconds=30.0,
        cpu_time_limit_seconds=0.0,
        memory_limit_mb=128,
        cpu_limit=0.5,
        output_limit_bytes=1024,
        output_overflow="KILL",
        outcome=outcome,
        error=error,
        seconds=1.0,
    )


@pytest.fixture
def restored_log() -> Iterator[None]:
    """Undo what ``configure`` does to the whole process."""
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


Captured = pytest.CaptureFixture[str]


def logged(verbosity: int, capsys: Captured, tell: Any) -> list[dict[str, Any]]:
    """Lines that are written for what is told, at a verbosity."""
    configure(verbosity, "json")
    tell(LogObserver())
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.usefixtures("restored_log")
def test_an_execution_is_one_line_fit_for_an_audit(capsys: Captured) -> None:
    (line,) = logged(1, capsys, lambda log: log.execution_ended(a_record()))
    assert line["event"] == "execution"
    assert (line["execution_id"], line["caller"], line["front"]) == ("id", "ip:127.0.0.1", "rest")
    assert (line["language"], line["version"], line["status"]) == ("python", "3.13.5", "OK")
    assert (line["code_sha256"], line["memory_limit_mb"]) == ("abc", 128)
    assert (line["output_limit_bytes"], line["output_overflow"]) == (1024, "KILL")
    assert (line["run"]["wall_seconds"], line["run"]["stdout_bytes"]) == (0.25, 5)


def test_the_hash_of_the_code_is_what_sha256sum_says() -> None:
    (python,) = (found for found in load_languages(LANGUAGES) if found.name == "python")
    limits = RunLimits(1.0, 0.0, 64, 0.5, 10)
    program = Program(
        language=python,
        version=python.versions[0],
        code=b"print(1)\n",
        files=(InputFile("a", b"b"),),
        stdin=b"",
        args=(),
        env={},
        limits=limits,
        overflow=Overflow.TRUNCATE,
        encoding=Encoding.TEXT,
    )
    record = ExecutionRecord.of("id", Caller("ip:::1", "grpc"), program, None, "", 1.0)
    assert record.code_sha256 == hashlib.sha256(b"print(1)\n").hexdigest()
    assert record.files_sha256 == hashlib.sha256(b"1:a1:b").hexdigest()


@pytest.mark.usefixtures("restored_log")
def test_one_that_broke_is_a_warning(capsys: Captured) -> None:
    (line,) = logged(0, capsys, lambda log: log.execution_ended(a_record(None, "it broke")))
    assert line["event"] == "execution failed"
    assert (line["level"], line["error"], line["version"]) == ("warning", "it broke", "3.13")


@pytest.mark.usefixtures("restored_log")
def test_one_whose_caller_went_is_none(capsys: Captured) -> None:
    gone = a_record(None, CANCELLED)
    assert logged(0, capsys, lambda log: log.execution_ended(gone)) == []
    (line,) = logged(1, capsys, lambda log: log.execution_ended(gone))
    assert (line["event"], line["level"]) == ("execution cancelled", "info")


LEVELS: dict[str, tuple[int, Any]] = {
    "refused": (1, lambda log: log.request_refused(None, "UNAVAILABLE", "QUEUE_FULL", "full")),
    "not serving": (0, lambda log: log.service_state(False, "no engine")),
    "serving": (1, lambda log: log.service_state(True, "")),
    "image started": (1, lambda log: log.image_progress(ImageProgress("c 14", Step.STARTED))),
    "image ready": (1, lambda log: log.image_progress(ImageProgress("c 14", Step.READY, 2.0, 9))),
    "image failed": (
        0,
        lambda log: log.image_progress(ImageProgress("c", Step.FAILED, reason="x")),
    ),
    "sandbox broke": (0, lambda log: log.sandbox_broken("image", "no hello")),
    "container reaped": (0, lambda log: log.reaped("container", "expired")),
    "engine call failed": (0, lambda log: log.engine_call("create", 0.1, "no")),
    "engine call": (2, lambda log: log.engine_call("create", 0.1, None)),
    "sandbox made": (2, lambda log: log.sandbox_made("image", 0.1)),
    "sandbox removed": (2, lambda log: log.sandbox_removed("container", 0.1, "itself")),
    "sandbox not removed": (0, lambda log: log.sandbox_removed("container", 0.1, "lost")),
    "frame": (3, lambda log: log.frame("container", "in", "DATA", 5)),
    "internal error": (0, lambda log: log.internal_error("id", ValueError("why"))),
}


@pytest.mark.usefixtures("restored_log")
@pytest.mark.parametrize("event", LEVELS)
def test_each_event_has_its_verbosity(event: str, capsys: Captured) -> None:
    least, tell = LEVELS[event]
    # Whoever calls frame only does so at 3; the levels of the log itself are three.
    for verbosity in (0, 1, 2):
        written = [line["event"] for line in logged(verbosity, capsys, tell)]
        assert written == ([event] if verbosity >= min(least, 2) else [])
        structlog.reset_defaults()


@pytest.mark.usefixtures("restored_log")
def test_an_internal_error_has_its_cause_in_the_log(capsys: Captured) -> None:
    (line,) = logged(0, capsys, lambda log: log.internal_error("id", ValueError("the cause")))
    assert "ValueError: the cause" in line["exception"]


def sample(metrics: MetricsObserver, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"code_executor_{name}", labels)


def test_executions_are_counted_and_timed() -> None:
    metrics = MetricsObserver()
    metrics.execution_ended(a_record())
    metrics.execution_ended(a_record(None, "broke"))
    metrics.execution_ended(a_record(None, CANCELLED))
    assert sample(metrics, "executions_total", language="python", status="OK") == 1
    assert sample(metrics, "executions_total", language="python", status="FAILED") == 1
    assert sample(metrics, "executions_total", language="python", status="CANCELLED") == 1
    timed = {"language": "python", "part": "total"}
    assert sample(metrics, "execution_seconds_count", **timed) == 3
    assert sample(metrics, "execution_seconds_sum", language="python", part="queue") == 0.5
    assert sample(metrics, "execution_seconds_sum", language="python", part="compile") is None
    assert sample(metrics, "execution_memory_bytes_sum", language="python") == 3 * 2**20
    assert sample(metrics, "execution_cpu_seconds_total", language="python", stage="run") == 0.125


def test_the_rest_is_counted() -> None:
    metrics = MetricsObserver()
    metrics.sandbox_made("image", 0.1)
    metrics.sandbox_removed("container", 0.1, "forced")
    metrics.sandbox_broken("image", "no")
    metrics.reaped("container", "expired")
    metrics.engine_call("create", 0.1, "no")
    metrics.request_refused(None, "UNAVAILABLE", "QUEUE_FULL", "full")
    metrics.queue_changed(3, 4)
    metrics.service_state(True, "")
    metrics.image_progress(ImageProgress("c 14", Step.READY, 2.0))
    assert sample(metrics, "sandbox_start_seconds_count") == 1
    assert sample(metrics, "sandbox_removal_seconds_count", how="forced") == 1
    assert sample(metrics, "sandboxes_broken_total") == 1
    assert sample(metrics, "containers_reaped_total", why="expired") == 1
    assert sample(metrics, "engine_call_errors_total", call="create") == 1
    refused = {"code": "UNAVAILABLE", "reason": "QUEUE_FULL"}
    assert sample(metrics, "requests_refused_total", **refused) == 1
    assert (sample(metrics, "waiting"), sample(metrics, "running")) == (3, 4)
    assert sample(metrics, "serving") == 1
    assert sample(metrics, "image_build_seconds_count", result="ready") == 1


def test_several_observers_hear_the_same() -> None:
    first, second = Recorder(), Recorder()
    both = Observers(first, second)
    for name in [name for name in vars(Observer) if not name.startswith("_")]:
        getattr(both, name)("told")
    assert first.calls == second.calls
    assert len(first.calls) > 10
