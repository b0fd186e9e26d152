"""Admission: how many executions run at once, how many may wait, who is next, and when to say no."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from executor_server.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from executor_server.model import Caller
    from executor_server.observer import Observer


class Scheduler:
    """A bounded number of places and a bounded queue before them.

    Callers take turns: one with a hundred executions waiting delays another's first by one place only.
    Executions of one caller are first come, first served.
    """

    def __init__(
        self, places: int, queue_limit: int, queue_seconds: float, observer: Observer
    ) -> None:
        """``queue_seconds``: the longest that an execution may wait for its place."""
        self._free = places
        self._places = places
        self._queue_limit = queue_limit
        self._queue_seconds = queue_seconds
        self._observer = observer
        self._turns: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting = 0
        self._draining = False
        self._all_free = asyncio.Event()
        self._all_free.set()

    @contextlib.asynccontextmanager
    async def place(self, caller: Caller) -> AsyncIterator[float]:
        """Hold a place; yields the seconds that were spent waiting. Raises UnavailableError at once."""
        began = time.monotonic()
        await self._acquire(caller)
        self._tell()
        try:
            yield time.monotonic() - began
        finally:
            self._release()
            self._tell()

    def drain(self) -> None:
        """Refuse everything from now on, also what waits."""
        self._draining = True
        for waiter in [waiter for queue in self._turns.values() for waiter in queue]:
            if not waiter.done():
                waiter.set_exception(_draining())

    async def idle(self, seconds: float) -> bool:
        """Wait until nothing runs; False where that takes longer than ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._all_free.wait()
        except TimeoutError:
            return False
        return True

    async def _acquire(self, caller: Caller) -> None:
        if self._draining:
            raise _draining()
        if self._free > 0:
            self._free -= 1
            return
        if self._waiting >= self._queue_limit:
            raise UnavailableError(
                "QUEUE_FULL",
                f"{self._places} executions are running and {self._queue_limit} are waiting",
                1.0,
            )
        await self._wait(caller.name)

    async def _wait(self, name: str) -> None:
        waiter = self._join(name)
        try:
            async with asyncio.timeout(self._queue_seconds):
                await waiter
        except TimeoutError:
            self._abandon(name, waiter)
            raise UnavailableError(
                "QUEUE_TIMEOUT", f"no place was free for {self._queue_seconds:g} s", 5.0
            ) from None
        except BaseException:
            self._abandon(name, waiter)
            raise

    def _join(self, name: str) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.setdefault(name, deque()).append(waiter)
        self._waiting += 1
        self._tell()
        return waiter

    def _abandon(self, name: str, waiter: asyncio.Future[None]) -> None:
        """Leave the queue; a place that was granted in the same moment goes to the next."""
        queue = self._turns.get(name, deque())
        if waiter in queue:
            queue.remove(waiter)
            self._left(name)
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self._release()
        self._tell()

    def _release(self) -> None:
        while self._turns:
            name, queue = next(iter(self._turns.items()))
            waiter = queue.popleft()
            self._left(name)
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    def _left(self, name: str) -> None:
        """One of this caller's is out of the queue: the others have their turn first."""
        self._waiting -= 1
        if self._turns[name]:
            self._turns.move_to_end(name)
        else:
            del self._turns[name]

    def _tell(self) -> None:
        if self._free == self._places:
            self._all_free.set()
        else:
            self._all_free.clear()
        self._observer.queue_changed(self._waiting, self._places - self._free)


def _draining() -> UnavailableError:
    return UnavailableError("DRAINING", "the server is shutting down", 1.0)
