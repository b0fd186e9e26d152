"""Admission: how many executions run at once, how many may wait, and when to say no."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

from executor_server.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from executor_server.observer import Observer


class Scheduler:
    """A bounded number of places and a bounded queue before them, first come first served."""

    def __init__(
        self, places: int, queue_limit: int, queue_seconds: float, observer: Observer
    ) -> None:
        """``queue_seconds``: the longest that an execution may wait for its place."""
        self._free = places
        self._places = places
        self._queue_limit = queue_limit
        self._queue_seconds = queue_seconds
        self._observer = observer
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._draining = False
        self._all_free = asyncio.Event()
        self._all_free.set()

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[float]:
        """Hold a place; yields the seconds that were spent waiting. Raises UnavailableError at once."""
        began = time.monotonic()
        await self._acquire()
        self._tell()
        try:
            yield time.monotonic() - began
        finally:
            self._release()
            self._tell()

    def drain(self) -> None:
        """Refuse everything from now on, also what waits."""
        self._draining = True
        for waiter in self._waiting:
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

    async def _acquire(self) -> None:
        if self._draining:
            raise _draining()
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        if len(self._waiting) >= self._queue_limit:
            raise UnavailableError(
                "QUEUE_FULL",
                f"{self._places} executions are running and {self._queue_limit} are waiting",
                1.0,
            )
        await self._wait()

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._tell()
        try:
            async with asyncio.timeout(self._queue_seconds):
                await waiter
        except TimeoutError:
            self._abandon(waiter)
            raise UnavailableError(
                "QUEUE_TIMEOUT", f"no place was free for {self._queue_seconds:g} s", 5.0
            ) from None
        except BaseException:
            self._abandon(waiter)
            raise

    def _abandon(self, waiter: asyncio.Future[None]) -> None:
        """Leave the queue; a place that was granted in the same moment goes to the next."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self._release()

    def _release(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    def _tell(self) -> None:
        if self._free == self._places:
            self._all_free.set()
        else:
            self._all_free.clear()
        self._observer.queue_changed(len(self._waiting), self._places - self._free)


def _draining() -> UnavailableError:
    return UnavailableError("DRAINING", "the server is shutting down", 1.0)
