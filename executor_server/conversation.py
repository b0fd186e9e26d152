"""One command in a sandbox: what is sent to its agent, what is granted, and what comes back."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from executor_server import agent
from executor_server.agent import FrameType, ProtocolError
from executor_server.engine.profile import MIB
from executor_server.errors import SandboxError, SandboxStartError
from executor_server.model import (
    Cause,
    CollectedFile,
    CollectState,
    CommandResult,
    MeasuredBy,
    Output,
    Running,
    Stream,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from executor_server.agent import Frame
    from executor_server.model import Command, SandboxEvent
    from executor_server.sandbox import Sandbox

# What the agent may take beyond the program's wall time: its own deadline, the rest of the output, files.
GRACE_SECONDS = 10.0
FATE_SECONDS = 3.0
# Bytes of each stream that may be under way. Large enough for full speed, small enough for a server with
# a hundred slow readers.
CREDIT_WINDOW = 256 * 1024
_WRITE_BYTES = 1024 * 1024
_ERRNO_MAX = 4095
# Exit codes of a shell for what it cannot find, and for what it cannot execute.
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


class Conversation:
    """One command: what is sent, what is granted, and what comes back."""

    def __init__(self, sandbox: Sandbox, command: Command) -> None:
        """Nothing is sent before ``events``."""
        self._sandbox = sandbox
        self._command = command
        self._id = secrets.token_bytes(agent.ID_BYTES)
        self._granted = dict.fromkeys((agent.STDOUT, agent.STDERR, agent.FILES), CREDIT_WINDOW)
        self._consumed = dict.fromkeys(self._granted, 0)
        self._stdin = memoryview(command.stdin)
        self._stdin_credit = 0
        self._began: float | None = None
        self._totals = {Stream.STDOUT: 0, Stream.STDERR: 0}
        self._collected = 0
        self._file: CollectedFile | None = None
        self._content = bytearray()
        self._deadline: asyncio.TimerHandle | None = None
        self._late = False

    @property
    def execution_id(self) -> bytes:
        """Random, in every frame of this command."""
        return self._id

    async def events(self) -> AsyncIterator[SandboxEvent]:
        """Send the command and say what comes back; the last event is a CommandResult."""
        self._set_deadline()
        await self._open()
        while True:
            frame = await self._sandbox.next_frame()
            if frame is None:
                yield await self._end_without_result()
                return
            if frame.execution_id != self._id:
                raise ProtocolError("a frame of another execution")
            if frame.type is FrameType.RESULT:
                yield self._within_limit(agent.parse_result(frame.payload))
                return
            if frame.type is FrameType.FAULT:
                for said in self._fault(agent.parse_fault(frame.payload)):
                    yield said
                return
            async for event in self._take(frame):
                yield event

    def _set_deadline(self) -> None:
        """For the start first, then for the run: the server's own, whatever the agent does."""
        self.end()
        seconds = self._command.wall_seconds + GRACE_SECONDS
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._give_up)

    def end(self) -> None:
        """Nobody waits for it any more."""
        if self._deadline is not None:
            self._deadline.cancel()

    async def _open(self) -> None:
        batch = bytearray()
        for frame in self._opening():
            batch += frame
            if len(batch) >= _WRITE_BYTES:
                await self._sandbox.write(bytes(batch))
                batch.clear()
        await self._sandbox.write(bytes(batch))

    def _opening(self) -> Iterator[bytes]:
        for file in self._command.files:
            yield from agent.file_frames(self._id, file)
        yield agent.run_frame(self._id, self._command, CREDIT_WINDOW)
        if not self._stdin:
            yield agent.frame(FrameType.CLOSE, self._id)

    def _within_limit(self, result: CommandResult) -> CommandResult:
        """The largest resident set counts mapped files of the image as well, which are not the program's."""
        limit = self._sandbox.spec.memory_mb * MIB
        if result.memory_peak_bytes is None or result.memory_peak_bytes <= limit:
            return result
        return replace(result, memory_peak_bytes=limit)

    async def _take(self, frame: Frame) -> AsyncIterator[SandboxEvent]:
        match frame.type:
            case FrameType.STARTED:
                self._began = time.monotonic()
                self._set_deadline()
                yield Running()
            case FrameType.DATA if frame.stream == agent.FILES:
                async for file in self._collect(frame.payload):
                    yield file
            case FrameType.DATA:
                self._totals[Stream(frame.stream)] += len(frame.payload)
                yield Output(Stream(frame.stream), frame.payload)
                await self._grant(frame.stream, len(frame.payload))
            case FrameType.FILE:
                async for file in self._begin_file(frame.payload):
                    yield file
            case FrameType.CREDIT:
                self._stdin_credit += agent.parse_credit(frame.payload)
                await self._feed()
            case _:
                raise ProtocolError(f"an agent does not send {frame.type.name}")

    def account(self, frame: Frame) -> None:
        """Hold the agent to its credit as frames come, before they pile up."""
        if frame.type is not FrameType.DATA:
            return
        if frame.stream not in self._granted:
            raise ProtocolError(f"data on stream {frame.stream}")
        self._granted[frame.stream] -= len(frame.payload)
        if self._granted[frame.stream] < 0:
            raise ProtocolError("more data than was granted")

    async def _grant(self, stream: int, amount: int) -> None:
        """Give back what the reader has taken, in steps of half a window."""
        self._consumed[stream] += amount
        if self._consumed[stream] >= CREDIT_WINDOW // 2:
            credit, self._consumed[stream] = self._consumed[stream], 0
            self._granted[stream] += credit
            await self._sandbox.write(agent.credit_frame(self._id, stream, credit))

    async def _feed(self) -> None:
        """Send stdin as far as the agent can hold it. It is never waited for: the program may not read."""
        if not self._stdin:
            return
        piece, self._stdin = self._stdin[: self._stdin_credit], self._stdin[self._stdin_credit :]
        self._stdin_credit -= len(piece)
        frames = list(agent.data_frames(self._id, agent.STDIN, bytes(piece)))
        if not self._stdin:
            frames.append(agent.frame(FrameType.CLOSE, self._id))
        await self._sandbox.write(b"".join(frames))

    async def _begin_file(self, payload: bytes) -> AsyncIterator[CollectedFile]:
        if self._file is not None:
            raise ProtocolError("a file begins before the last one ended")
        file = agent.parse_file(payload)
        if file.path not in self._command.collect:
            raise ProtocolError("a file that nobody asked for")
        if file.state is not CollectState.SENT or file.size_bytes == 0:
            yield file
            return
        self._collected += file.size_bytes
        if self._collected > self._command.collect_cap:
            raise ProtocolError("files past the cap")
        self._file = file

    async def _collect(self, data: bytes) -> AsyncIterator[CollectedFile]:
        if self._file is None or len(self._content) + len(data) > self._file.size_bytes:
            raise ProtocolError("file data that belongs to no file")
        self._content += data
        await self._grant(agent.FILES, len(data))
        if len(self._content) == self._file.size_bytes:
            yield replace(self._file, content=bytes(self._content))
            self._file = None
            self._content = bytearray()

    def _fault(self, fault: agent.Fault) -> Iterator[SandboxEvent]:
        """A program of the request's own that is none fails as it would in a shell; the rest is ours."""
        theirs = self._command.program_is_theirs and self._began is None
        if fault.code is not agent.FaultCode.EXEC or not theirs:
            raise self._broken(f"{fault.code.name}: {fault.text} (errno {fault.errno})")
        why = os.strerror(min(fault.errno, _ERRNO_MAX))
        said = f"{self._command.argv[0]}: {why}\n".encode()
        code = _NOT_FOUND if fault.errno == errno.ENOENT else _NOT_EXECUTABLE
        yield Running()
        yield Output(Stream.STDERR, said)
        self._totals[Stream.STDERR] = len(said)
        yield replace(
            self._verdict(Cause.EXITED, oom=False), exit_code=code, signal=0, oom_kills=None
        )

    def _broken(self, why: str) -> SandboxError:
        return SandboxStartError(why) if self._began is None else SandboxError(why)

    def _give_up(self) -> None:
        self._late = True
        self._sandbox.end_of_frames()

    async def _end_without_result(self) -> CommandResult:
        """The agent's word is missing: the server's own deadline and the engine's events decide."""
        if self._late and self._began is None:
            raise SandboxStartError("the agent did not start the command in time")
        if self._late:
            return self._verdict(Cause.WALL, oom=False)
        fate = self._sandbox.fate
        try:
            async with asyncio.timeout(FATE_SECONDS):
                await fate.died.wait()
        except TimeoutError:
            raise self._broken("the stream ended and the engine does not say why") from None
        if fate.out_of_memory:
            return self._verdict(Cause.SIGNALED, oom=True)
        raise self._broken("the agent ended without a result")

    def _verdict(self, cause: Cause, *, oom: bool) -> CommandResult:
        return CommandResult(
            cause=cause,
            exit_code=128 + 9,
            signal=9,
            oom_kills=int(oom),
            wall_seconds=0.0 if self._began is None else time.monotonic() - self._began,
            cpu_seconds=None,
            memory_peak_bytes=None,
            stdout_total=self._totals[Stream.STDOUT],
            stderr_total=self._totals[Stream.STDERR],
            measured_by=MeasuredBy.RUSAGE,
            collect_seconds=0.0,
        )
