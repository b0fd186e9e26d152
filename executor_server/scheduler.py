"""Admission: how many executions run at once, how many may wait, who is next, and when to say no."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor_server.errors import DeadlineError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from executor_server.model import Caller
    from executor_server.observer import Observer

# Weight of the newest execution in the mean time that one holds its place.
_NEWEST = 0.1


@dataclass(frozen=True, slots=True)
class Claim:
    """What one execution may use at once: its largest stage."""

    cpus: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the engine's machine has for executions, and how many may wait for it."""

    places: int
    """Executions at once."""
    cpus: float
    """Cores of all running executions together."""
    memory_mb: int
    """Memory limits of all running executions together, in MiB."""
    queue_limit: int
    queue_seconds: float
    """The longest that an execution may wait."""


@dataclass(eq=False, slots=True)
class _Waiter:
    claim: Claim
    granted: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Scheduler:
    """A bounded number of executions and a bounded queue before them.

    Callers take turns: one with a hundred executions waiting delays another's first by one place only, and
    in a full queue gives way to it.
    Executions of one caller are first come, first served, and one that does not fit yet is not overtaken.
    """

    def __init__(self, capacity: Capacity, observer: Observer) -> None:
        """Nothing runs yet."""
        self._capacity = capacity
        self._observer = observer
        self._running = 0
        self._cpus = 0.0
        self._memory_mb = 0
        self._turns: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self._waiting = 0
        self._mean_seconds = 0.0
        self._draining = False
        self._all_free = asyncio.Event()
        self._all_free.set()

    @contextlib.asynccontextmanager
    async def place(
        self, caller: Caller, claim: Claim, deadline: float | None = None
    ) -> AsyncIterator[float]:
        """Hold a place; yields the seconds that were spent waiting.

        ``deadline`` is monotonic: who will not be served before it is refused at once.
        Raises UnavailableError, DeadlineError.
        """
        began = time.monotonic()
        await self._acquire(caller, claim, deadline)
        held = time.monotonic()
        self._tell()
        try:
            yield held - began
        finally:
            self._learn(time.monotonic() - held)
            self._release(claim)
            self._tell()

    def resize(self, capacity: Capacity) -> None:
        """There is more room from now on, or less: what runs goes on in either case."""
        self._capacity = capacity
        self._grant()

    def drain(self) -> None:
        """Refuse everything from now on, also what waits."""
        self._draining = True
        for waiter in [waiter for queue in self._turns.values() for waiter in queue]:
            if not waiter.granted.done():
                waiter.granted.set_exception(_draining())

    async def idle(self, seconds: float) -> bool:
        """Wait until nothing runs; False where that takes longer than ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._all_free.wait()
        except TimeoutError:
            return False
        return True

    async def _acquire(self, caller: Caller, claim: Claim, deadline: float | None) -> None:
        if self._draining:
            raise _draining()
        if not self._waiting and self._fits(claim):
            self._hold(claim)
            return
        ahead = self._ahead_of(caller.name)
        seconds = self._expected_wait(ahead)
        if deadline is not None and time.monotonic() + seconds > deadline:
            raise DeadlineError(ahead, seconds)
        if self._waiting >= self._capacity.queue_limit and not self._displace_for(caller.name):
            raise self._full()
        await self._wait(caller.name, claim)

    def _displace_for(self, name: str) -> bool:
        """In a full queue, the newest of the caller who has most there gives way to one who has less.

        So that nobody can keep everybody else out by filling the queue.
        """
        staying = {
            other: [waiter for waiter in queue if not waiter.granted.done()]
            for other, queue in self._turns.items()
        }
        most = max(staying.values(), key=len, default=[])
        if len(most) <= len(staying.get(name, ())) + 1:
            return False
        most[-1].granted.set_exception(self._full())
        return True

    def _full(self) -> UnavailableError:
        return UnavailableError(
            "QUEUE_FULL",
            f"{self._running} executions are running and {self._waiting} are waiting",
            max(1.0, self._expected_wait(self._waiting)),
        )

    async def _wait(self, name: str, claim: Claim) -> None:
        waiter = self._join(name, claim)
        seconds = self._capacity.queue_seconds
        try:
            async with asyncio.timeout(seconds):
                await waiter.granted
        except TimeoutError:
            self._abandon(name, waiter)
            message = f"no place was free for {seconds:g} s"
            raise UnavailableError("QUEUE_TIMEOUT", message, 5.0) from None
        except BaseException:
            self._abandon(name, waiter)
            raise

    def _join(self, name: str, claim: Claim) -> _Waiter:
        waiter = _Waiter(claim)
        self._turns.setdefault(name, deque()).append(waiter)
        self._waiting += 1
        self._tell()
        return waiter

    def _abandon(self, name: str, waiter: _Waiter) -> None:
        """Leave the queue; what was granted in the same moment goes to the next."""
        queue = self._turns.get(name, deque())
        granted = waiter.granted
        if waiter in queue:
            queue.remove(waiter)
            self._left(name)
            self._grant()
        elif granted.done() and not granted.cancelled() and granted.exception() is None:
            self._release(waiter.claim)
        self._tell()

    def _release(self, claim: Claim) -> None:
        self._running -= 1
        self._cpus -= claim.cpus
        self._memory_mb -= claim.memory_mb
        self._grant()

    def _grant(self) -> None:
        """Let in whoever is next, as long as they fit."""
        while self._turns:
            name, queue = next(iter(self._turns.items()))
            waiter = queue[0]
            if not waiter.granted.done():
                if not self._fits(waiter.claim):
                    return
                self._hold(waiter.claim)
                waiter.granted.set_result(None)
            queue.popleft()
            self._left(name)

    def _fits(self, claim: Claim) -> bool:
        """There is room for it; one that is larger than the whole machine runs alone."""
        if not self._running:
            return True
        capacity = self._capacity
        return (
            self._running < capacity.places
            and self._cpus + claim.cpus <= capacity.cpus + 1e-9
            and self._memory_mb + claim.memory_mb <= capacity.memory_mb
        )

    def _hold(self, claim: Claim) -> None:
        self._running += 1
        self._cpus += claim.cpus
        self._memory_mb += claim.memory_mb

    def _left(self, name: str) -> None:
        """One of this caller's is out of the queue: the others have their turn first."""
        self._waiting -= 1
        if self._turns[name]:
            self._turns.move_to_end(name)
        else:
            del self._turns[name]

    def _learn(self, seconds: float) -> None:
        mean = self._mean_seconds
        self._mean_seconds = mean + _NEWEST * (seconds - mean) if mean else seconds

    def _ahead_of(self, name: str) -> int:
        """How many are let in before one of this caller's that comes now: callers take turns."""
        own = len(self._turns.get(name, ()))
        others = (queue for other, queue in self._turns.items() if other != name)
        return own + sum(min(len(queue), own + 1) for queue in others)

    def _expected_wait(self, ahead: int) -> float:
        """Seconds until one with so many ahead of it is let in, from how long the latest ones took."""
        return self._mean_seconds * (ahead + 1) / max(1, self._running)

    def _tell(self) -> None:
        if self._running:
            self._all_free.clear()
        else:
            self._all_free.set()
        self._observer.queue_changed(self._waiting, self._running)


def _draining() -> UnavailableError:
    return UnavailableError("DRAINING", "the server is shutting down", 1.0)
