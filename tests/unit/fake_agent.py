"""An agent on the other end of an attached stream, and containers that exist only in a test."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from executor_server import agent
from executor_server.agent import Frame, FrameReader, FrameType
from executor_server.engine.containers import FoundContainer
from executor_server.engine.events import Fate
from executor_server.errors import EngineError
from executor_server.model import SandboxSpec

PROTECTED = 0b11


def hello_payload(flags: int = PROTECTED) -> bytes:
    return struct.pack("<BBBBIQI", 1, 2, flags, 0, 123_456, 1, 4) + b"test"


def result_payload(
    cause: int = 0, exit_code: int = 0, signal: int = 0, oom_kills: int = 0, out: int = 0
) -> bytes:
    fixed = (cause, 2, 7, 0, exit_code, signal, oom_kills)
    return struct.pack("<BBBBiiIQQQQQQ", *fixed, 1000, 500, 2**20, out, 0, 10)


class FakeStream:
    """The server's end of the attached stream; the test says what the agent does with each frame."""

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self.closed = False
        self.broken = False
        self._reader = FrameReader()
        self._pieces: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._got = asyncio.Event()

    async def read(self) -> tuple[int, bytes] | None:
        return await self._pieces.get()

    async def write(self, data: bytes) -> None:
        if self.broken:
            raise EngineError("attach", "the stream takes no more")
        self.sent += self._reader.feed(data)
        self._got.set()

    async def close(self) -> None:
        self.closed = True

    def say(self, kind: FrameType, payload: bytes = b"", stream: int = 0) -> None:
        """The agent sends a frame of the execution that it was told."""
        identity = self.sent[0].execution_id if self.sent else agent.NO_ID
        self.say_raw(agent.frame(kind, identity, payload, stream))

    def say_raw(self, data: bytes, source: int = 1) -> None:
        """The container writes bytes, to its stdout unless told otherwise."""
        self._pieces.put_nowait((source, data))

    def end(self) -> None:
        """The connection ends."""
        self._pieces.put_nowait(None)

    async def until(self, kind: FrameType) -> Frame:
        """Wait until the server has sent a frame of this kind."""
        async with asyncio.timeout(5):
            while True:
                self._got.clear()
                for frame in self.sent:
                    if frame.type is kind:
                        return frame
                await self._got.wait()


class FakeContainers:
    """Containers of a fake engine: made, listed and removed in memory."""

    instance = "mine"
    boot = "now"

    def __init__(self, greet: Callable[[FakeStream], None] | None = None) -> None:
        self.greet = greet or (lambda stream: stream.say(FrameType.HELLO, hello_payload()))
        self.streams: dict[str, FakeStream] = {}
        self.found: list[FoundContainer] = []
        self.removed: list[str] = []
        self.updated: list[tuple[str, SandboxSpec]] = []
        self.expiries: list[int] = []
        self.failing: dict[str, list[Exception]] = {}
        """Errors of the next calls, by the name of the call."""
        self.tasks: set[asyncio.Task[Any]] = set()

    def _may_fail(self, call: str) -> None:
        if self.failing.get(call):
            raise self.failing[call].pop(0)

    async def create(self, spec: SandboxSpec, expires: int, idle_seconds: int) -> str:
        assert expires > idle_seconds > 0
        self._may_fail(f"create {spec.image}")
        self._may_fail("create")
        self.expiries.append(expires)
        container = f"container{len(self.streams)}"
        self.streams[container] = FakeStream()
        return container

    async def attach(self, container: str) -> FakeStream:
        self._may_fail("attach")
        return self.streams[container]

    async def start(self, container: str) -> None:
        self._may_fail("start")
        self.greet(self.streams[container])

    async def update(self, container: str, spec: SandboxSpec) -> None:
        self._may_fail("update")
        self.updated.append((container, spec))

    async def remove(self, container: str) -> None:
        self._may_fail("remove")
        self._may_fail(f"remove {container}")
        self.removed.append(container)
        self.found = [entry for entry in self.found if entry.id != container]

    async def list(self) -> list[FoundContainer]:
        self._may_fail("list")
        return list(self.found)

    def in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def settle(self) -> None:
        while self.tasks:
            await asyncio.wait(self.tasks)


class FakeEvents:
    """Fates that a test decides."""

    def __init__(self) -> None:
        self.fates: dict[str, Fate] = {}

    def watch(self, container: str) -> Fate:
        return self.fates.setdefault(container, Fate())

    def forget(self, container: str) -> None:
        self.fates.pop(container, None)


def types(frames: Iterable[Frame]) -> list[FrameType]:
    return [frame.type for frame in frames]
