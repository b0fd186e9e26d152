"""Events become one answer: the fold that the unary call is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from code_executor.v1 import executor_pb2 as pb

from executor_server.model import (
    Cause,
    Encoding,
    ExecutionEvent,
    LanguageUsed,
    Outcome,
    OutputChunk,
    Stage,
    StageBegan,
    StageName,
    Started,
    Status,
    Stream,
    Timings,
)
from executor_server.service.response import fold
from tests.unit.values import a_result

LANGUAGE = LanguageUsed("c", "14.2.0", "image", "sha256:1")
Response = pb.ExecuteResponse


def an_outcome(**changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "execution_id": "id",
        "language": LANGUAGE,
        "status": Status.OK,
        "compile": None,
        "run": Stage(Status.OK, a_result()),
        "stdout_truncated": False,
        "stderr_truncated": False,
    }
    return Outcome(**{**values, **changes})


async def folded(*events: ExecutionEvent, encoding: Encoding = Encoding.TEXT) -> Response:
    async def said() -> AsyncIterator[ExecutionEvent]:
        for event in events:
            yield event

    return await fold(said(), encoding)


async def test_output_is_put_together_by_stream() -> None:
    response = await folded(
        Started("id", LANGUAGE),
        StageBegan(StageName.RUN),
        OutputChunk(Stream.STDOUT, b"zw"),
        OutputChunk(Stream.STDERR, b"oh"),
        OutputChunk(Stream.STDOUT, "ölf".encode()),
        an_outcome(),
    )
    assert (response.stdout, response.stderr) == ("zwölf", "oh")
    assert (response.stdout_bytes, response.stderr_bytes) == (b"", b"")
    assert response.execution_id == "id"


async def test_bytes_go_where_bytes_go() -> None:
    chunk = OutputChunk(Stream.STDOUT, b"\xff\0")
    response = await folded(chunk, an_outcome(), encoding=Encoding.BYTES)
    assert (response.stdout_bytes, response.stdout) == (b"\xff\0", "")


async def test_every_figure_arrives() -> None:
    run = Stage(
        Status.RUNTIME_ERROR,
        a_result(exit_code=3, stdout_total=7, stderr_total=8, memory_peak_bytes=2**20 + 1),
    )
    timings = Timings(
        queue_seconds=1.0,
        setup_seconds=2.0,
        compile_seconds=3.0,
        run_seconds=4.0,
        collect_seconds=5.0,
    )
    response = await folded(an_outcome(status=Status.RUNTIME_ERROR, run=run, timings=timings))
    assert response.status == Response.RUNTIME_ERROR
    assert (response.exit_code, response.run.exit_code) == (3, 3)
    assert (response.execution_time_ms, response.memory_used_mb) == (250, 2)
    assert (response.run.stdout_total_bytes, response.run.stderr_total_bytes) == (7, 8)
    assert (response.run.wall_seconds, response.run.cpu_seconds) == (0.25, 0.125)
    assert response.run.measured_by == pb.Stage.CGROUP_V2
    found = response.timings
    assert (found.queue_seconds, found.setup_seconds, found.compile_seconds) == (1, 2, 3)
    assert (found.run_seconds, found.collect_seconds) == (4, 5)
    language = response.language
    assert (language.name, language.version) == ("c", "14.2.0")
    assert (language.image, language.image_digest) == ("image", "sha256:1")


async def test_what_could_not_be_measured_is_absent_not_zero() -> None:
    run = Stage(Status.OK, a_result(cpu_seconds=None, memory_peak_bytes=None))
    response = await folded(an_outcome(run=run))
    assert not response.run.HasField("cpu_seconds")
    assert not response.run.HasField("memory_peak_bytes")
    assert response.memory_used_mb == 0


@pytest.mark.parametrize(
    ("status", "cause", "late", "memory_exceeded"),
    [
        (Status.OK, Cause.EXITED, False, False),
        (Status.TIMEOUT, Cause.WALL, True, False),
        (Status.CPU_TIME_EXCEEDED, Cause.CPU, True, False),
        (Status.CPU_TIME_EXCEEDED, Cause.SIGNALED, True, False),
        (Status.MEMORY_EXCEEDED, Cause.SIGNALED, False, True),
        (Status.OUTPUT_EXCEEDED, Cause.OUTPUT, False, False),
        (Status.SIGNALED, Cause.SIGNALED, False, False),
    ],
)
async def test_flags(status: Status, cause: Cause, late: bool, memory_exceeded: bool) -> None:
    run = Stage(status, a_result(cause=cause))
    response = await folded(an_outcome(status=status, run=run))
    assert (response.timeout, response.memory_exceeded) == (late, memory_exceeded)


@pytest.mark.parametrize(
    ("number", "name"), [(0, ""), (11, "SIGSEGV"), (9, "SIGKILL"), (40, "SIGRTMIN+6")]
)
async def test_signals_have_names(number: int, name: str) -> None:
    run = Stage(Status.SIGNALED, a_result(cause=Cause.SIGNALED, signal=number))
    assert (await folded(an_outcome(run=run))).run.signal == name


async def test_a_compiler_that_refuses_is_all_there_is() -> None:
    said = Stage(Status.RUNTIME_ERROR, a_result(exit_code=1, stderr_total=9), b"", b"no \xff such")
    response = await folded(an_outcome(status=Status.COMPILE_ERROR, compile=said, run=None))
    assert response.status == Response.COMPILE_ERROR
    assert response.compile.status == Response.RUNTIME_ERROR
    assert response.stderr == response.compile.stderr == "no \ufffd such"
    assert response.exit_code == 1
    assert not response.HasField("run")
    assert response.execution_time_ms == 0


@pytest.mark.parametrize("encoding", Encoding)
async def test_a_compilers_output_that_was_cut(encoding: Encoding) -> None:
    """What was replaced is longer than what was written, and still not all of it."""
    said = Stage(Status.RUNTIME_ERROR, a_result(stderr_total=6), b"", b"\xff" * 4)
    response = await folded(
        an_outcome(status=Status.COMPILE_ERROR, compile=said, run=None), encoding=encoding
    )
    assert (response.stdout_truncated, response.stderr_truncated) == (False, True)
    text, data = ("", b"\xff" * 4) if encoding is Encoding.BYTES else ("\ufffd" * 4, b"")
    assert (response.stderr, response.stderr_bytes) == (text, data)


async def test_a_compiler_that_succeeds_is_told_beside_the_run() -> None:
    compiled = Stage(Status.OK, a_result(), b"", b"a warning")
    response = await folded(an_outcome(compile=compiled))
    assert (response.compile.stderr, response.stderr) == ("a warning", "")
    assert response.compile.status == response.run.status == Response.OK
