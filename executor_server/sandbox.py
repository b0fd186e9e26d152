"""One sandbox: a container whose agent runs one command and says what it did. Never used twice."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from executor_server import agent
from executor_server.agent import FrameType, ProtocolError
from executor_server.conversation import CREDIT_WINDOW, Conversation
from executor_server.errors import EngineError, SandboxError, SandboxStartError
from executor_server.model import (
    Stream,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from executor_server.agent import Frame, Hello
    from executor_server.engine.containers import AttachedStream
    from executor_server.engine.events import Fate
    from executor_server.model import Command, SandboxEvent, SandboxSpec

    Trace = Callable[[str, str, str, int], None]

HELLO_SECONDS = 20.0
# What may wait to be taken, credit used up and thousands of small frames included: frames without a
# stream need no credit, and one is more than its payload.
QUEUE_BYTES = 3 * CREDIT_WINDOW + 4 * 1024 * 1024
_FRAME_BYTES = 256


class Sandbox:
    """A started container whose agent waits for its one command."""

    def __init__(
        self,
        spec: SandboxSpec,
        container: str,
        stream: AttachedStream,
        fate: Fate,
        trace: Trace | None = None,
    ) -> None:
        """Take over the container and its attached stream; ``hello`` must follow."""
        self._trace = trace
        self.spec = spec
        self.container = container
        self.fate = fate
        self._stream = stream
        self._incoming: asyncio.Queue[Frame | ProtocolError | None] = asyncio.Queue()
        self._incoming_bytes = 0
        self._pump = asyncio.create_task(self._read_always(), name=f"attach {container[:12]}")
        self._greeted = False
        self._conversation: Conversation | None = None

    @property
    def alive(self) -> bool:
        """Its stream is open: where the agent or the engine ends, so does the stream."""
        return not self._pump.done()

    async def hello(self) -> Hello:
        """Wait until the agent is ready. Raises SandboxStartError."""
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                frame = await self.next_frame()
            if frame is None:
                raise SandboxStartError("the sandbox ended before its agent said hello")
            hello = agent.parse_hello(frame.payload)
        except TimeoutError:
            raise SandboxStartError("the agent did not say hello in time") from None
        except ProtocolError as failure:
            raise SandboxStartError(f"the agent did not say hello: {failure}") from failure
        if not (hello.non_dumpable and hello.is_pid_1):
            raise SandboxStartError("the agent is not the protected process that it must be")
        return hello

    async def run(self, command: Command) -> AsyncGenerator[SandboxEvent, None]:
        """Run the command; once in a sandbox's life. The last event is a CommandResult.

        Raises SandboxStartError where nothing was started, SandboxError where the sandbox broke.
        """
        if self._conversation is not None:
            raise SandboxError("a sandbox runs one command")
        conversation = self._conversation = Conversation(self, command)
        try:
            async for event in conversation.events():
                yield event
        except ProtocolError as failure:
            raise SandboxError(f"the agent broke the protocol: {failure}") from failure
        finally:
            conversation.end()

    async def kill(self) -> None:
        """Ask the agent to end the command now; its result still comes."""
        if self._conversation is not None:
            await self.write(agent.frame(FrameType.KILL, self._conversation.execution_id))

    async def write(self, data: bytes) -> None:
        """Send frames. A stream that takes no more is no error here: what is read next tells its end."""
        if self._trace:
            self._trace(self.container, "out", "", len(data))
        with contextlib.suppress(EngineError):
            await self._stream.write(data)

    async def close(self) -> None:
        """Close the stream: the agent then kills everything and exits."""
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        await self._stream.close()

    async def _read_always(self) -> None:
        """Read the attached stream whatever the caller does; what can pile up here is bounded."""
        reader = agent.FrameReader()
        try:
            while (piece := await self._stream.read()) is not None:
                source, data = piece
                if source == Stream.STDOUT:
                    for frame in reader.feed(data):
                        self._take(frame)
        except ProtocolError as failure:
            self._incoming.put_nowait(failure)
        self._incoming.put_nowait(None)

    def _take(self, frame: Frame) -> None:
        if self._trace:
            self._trace(self.container, "in", frame.type.name, len(frame.payload))
        if self._conversation is not None:
            self._conversation.account(frame)
        elif self._greeted or frame.type is not FrameType.HELLO:
            raise ProtocolError(f"{frame.type.name} before the command")
        self._greeted = True
        self._incoming_bytes += _FRAME_BYTES + len(frame.payload)
        if self._incoming_bytes > QUEUE_BYTES:
            raise ProtocolError("more frames than can wait")
        self._incoming.put_nowait(frame)

    def end_of_frames(self) -> None:
        """Whoever waits for a frame gets None: nobody waits any longer for this agent."""
        self._incoming.put_nowait(None)

    async def next_frame(self) -> Frame | None:
        """The next frame; None at the end of the stream. Raises ProtocolError."""
        frame = await self._incoming.get()
        if isinstance(frame, ProtocolError):
            raise frame
        if frame is not None:
            self._incoming_bytes -= _FRAME_BYTES + len(frame.payload)
        return frame
