"""Load: closed loops, in which each client waits for its answer, and open ones, which wait for nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.fronts import RefusedError

if TYPE_CHECKING:
    from bench.fronts import Answer, Front
    from bench.programs import Program

_REFUSED_PAUSE_SECONDS = 0.1
_RAMP_SECONDS = 3.0
_DRAIN_SECONDS = 30.0
_TIMER_SECONDS = 0.002


@dataclass(slots=True)
class Load:
    """What a load measured within its window."""

    seconds: float
    """Length of the window."""
    answers: list[Answer] = field(default_factory=list)
    refused: int = 0

    @property
    def latencies(self) -> list[float]:
        """Seconds of each answer."""
        return [answer.seconds for answer in self.answers]

    @property
    def rate(self) -> float:
        """Answers for each second."""
        return len(self.answers) / self.seconds

    @property
    def warm_share(self) -> float:
        """How many found sandboxes that had waited."""
        return sum(answer.warm for answer in self.answers) / max(1, len(self.answers))


class ClosedLoop:
    """A number of clients, each of which sends its next request when it has the answer to its last."""

    def __init__(self, front: Front, program: Program, clients: int) -> None:
        """Nothing is sent before the block is entered."""
        self._front = front
        self._program = program
        self._clients = clients
        self._load: Load | None = None
        self._cold = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def __aenter__(self) -> ClosedLoop:
        """Start the clients."""
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *error: object) -> None:
        """Let every client have its last answer; raise what one of them has met."""
        self._stopping = True
        if error[0] is not None:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=error[0] is not None)

    async def drain_pool(self) -> None:
        """Return when a request found no sandbox waiting, or when the pool keeps up for good."""
        self._cold.clear()
        await self._while_healthy(_RAMP_SECONDS)
        if not self._cold.is_set():
            waiting = asyncio.create_task(self._cold.wait())
            await asyncio.wait(
                [waiting, *self._tasks],
                timeout=_DRAIN_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            waiting.cancel()

    async def measure(self, seconds: float) -> Load:
        """What is answered within a window of this length, from now on."""
        began = time.perf_counter()
        load = self._load = Load(0.0)
        await self._while_healthy(seconds)
        self._load = None
        load.seconds = time.perf_counter() - began
        return load

    async def _while_healthy(self, seconds: float) -> None:
        """Sleep, unless a client ends: it only does so by an error, which leaving the block raises."""
        await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    async def _client(self) -> None:
        while not self._stopping:
            try:
                answer = await self._front.execute(self._program)
            except RefusedError:
                if self._load is not None:
                    self._load.refused += 1
                await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
                continue
            if not answer.warm:
                self._cold.set()
            if self._load is not None:
                self._load.answers.append(answer)


async def open_loop(front: Front, program: Program, rate: float, seconds: float) -> Load:
    """Requests at a fixed rate, whether or not the ones before are answered.

    The latency of each is counted from the moment at which it was to be sent: where the sender itself is
    late, or the service makes requests wait, the delay is in the figure (no coordinated omission).
    """
    load = Load(seconds)
    began = time.perf_counter() + 0.1
    async with asyncio.TaskGroup() as group:
        for number in range(max(1, round(rate * seconds))):
            intended = began + number / rate
            await _until(intended)
            group.create_task(_one(front, program, intended, load))
    return load


async def _until(moment: float) -> None:
    """Sleep to just before it, then poll: a timer of the event loop is late by a good part of a millisecond."""
    await asyncio.sleep(moment - time.perf_counter() - _TIMER_SECONDS)
    while time.perf_counter() < moment:  # noqa: ASYNC110 - a clock cannot set an event
        await asyncio.sleep(0)


async def _one(front: Front, program: Program, intended: float, load: Load) -> None:
    sent = time.perf_counter()
    try:
        answer = await front.execute(program)
    except RefusedError:
        load.refused += 1
        return
    late = sent - intended
    load.answers.append(
        type(answer)(answer.seconds + late, answer.warm, answer.program_cpu_seconds)
    )
