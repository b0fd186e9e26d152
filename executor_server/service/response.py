"""The events of an execution become proto messages; the unary answer is the fold over them."""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING

from code_executor.v1 import executor_pb2 as pb

from executor_server.model import Cause, Encoding, Outcome, OutputChunk, Started, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from executor_server.model import (
        ExecutionEvent,
        LanguageUsed,
        Stage,
        Timings,
    )

_MIB = 1024 * 1024


async def fold(events: AsyncIterator[ExecutionEvent], encoding: Encoding) -> pb.ExecuteResponse:
    """Everything that an execution said, as one message."""
    output = {stream: bytearray() for stream in Stream}
    response = pb.ExecuteResponse()
    async for event in events:
        match event:
            case Started():
                response.execution_id = event.execution_id
            case OutputChunk():
                output[event.stream] += event.data
            case Outcome():
                fill(response, event)
                if event.run is None and event.compile is not None:
                    # The compiler refused the program, or hit a limit: what it said is what is asked for.
                    output[Stream.STDOUT][:] = event.compile.stdout
                    output[Stream.STDERR][:] = event.compile.stderr
    _put_output(response, output, encoding)
    return response


def fill(response: pb.ExecuteResponse, outcome: Outcome) -> None:
    """Put the outcome into the response; the output itself comes from the events before it."""
    response.execution_id = outcome.execution_id
    response.status = pb.ExecuteResponse.Status.Value(outcome.status.name)
    response.language.CopyFrom(_language(outcome.language))
    response.timings.CopyFrom(_timings(outcome.timings))
    response.stdout_truncated = outcome.stdout_truncated
    response.stderr_truncated = outcome.stderr_truncated
    if outcome.compile is not None:
        response.compile.CopyFrom(_stage(outcome.compile))
        response.compile.stdout = outcome.compile.stdout.decode("utf-8", "replace")
        response.compile.stderr = outcome.compile.stderr.decode("utf-8", "replace")
        if outcome.run is None:
            response.stdout_truncated = _is_cut(
                outcome.compile.stdout, response.compile.stdout_total_bytes
            )
            response.stderr_truncated = _is_cut(
                outcome.compile.stderr, response.compile.stderr_total_bytes
            )
    if outcome.run is not None:
        response.run.CopyFrom(_stage(outcome.run))
        _put_usage(response, outcome.run)
    decisive = outcome.run or outcome.compile
    if decisive is not None:
        result = decisive.result
        response.exit_code = result.exit_code
        response.timeout = result.cause in {Cause.WALL, Cause.CPU} or decisive.status.name in _LATE
        response.memory_exceeded = decisive.status.name == "MEMORY_EXCEEDED"


def _is_cut(returned: bytes, total_bytes: int) -> bool:
    return total_bytes > len(returned)


_LATE = frozenset({"TIMEOUT", "CPU_TIME_EXCEEDED"})


def _put_output(
    response: pb.ExecuteResponse, output: dict[Stream, bytearray], encoding: Encoding
) -> None:
    stdout, stderr = bytes(output[Stream.STDOUT]), bytes(output[Stream.STDERR])
    if encoding is Encoding.BYTES:
        response.stdout_bytes, response.stderr_bytes = stdout, stderr
    else:
        response.stdout = stdout.decode("utf-8", "replace")
        response.stderr = stderr.decode("utf-8", "replace")


def _put_usage(response: pb.ExecuteResponse, run: Stage) -> None:
    response.execution_time_ms = round(run.result.wall_seconds * 1000)
    response.memory_used_mb = math.ceil((run.result.memory_peak_bytes or 0) / _MIB)


def _stage(stage: Stage) -> pb.Stage:
    result = stage.result
    return pb.Stage(
        status=pb.ExecuteResponse.Status.Value(stage.status.name),
        exit_code=result.exit_code,
        signal=_signal_name(result.signal),
        wall_seconds=result.wall_seconds,
        cpu_seconds=result.cpu_seconds,
        memory_peak_bytes=result.memory_peak_bytes,
        stdout_total_bytes=result.stdout_total,
        stderr_total_bytes=result.stderr_total,
        measured_by=pb.Stage.MeasuredBy.Value(result.measured_by.name),
    )


def _signal_name(number: int) -> str:
    if not number:
        return ""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def _timings(timings: Timings) -> pb.Timings:
    return pb.Timings(
        queue_seconds=timings.queue_seconds,
        setup_seconds=timings.setup_seconds,
        compile_seconds=timings.compile_seconds,
        run_seconds=timings.run_seconds,
        collect_seconds=timings.collect_seconds,
        warm=timings.warm,
        compile_cached=timings.compile_cached,
    )


def _language(used: LanguageUsed) -> pb.LanguageInfo:
    return pb.LanguageInfo(
        name=used.name, version=used.version, image=used.image, image_digest=used.image_digest
    )
