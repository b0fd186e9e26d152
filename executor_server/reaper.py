"""Removes what nobody owns any more, and nothing else: several servers may share one engine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from executor_server.errors import EngineError

if TYPE_CHECKING:
    from executor_server.engine.containers import Containers, FoundContainer
    from executor_server.observer import Observer
    from executor_server.sandboxes import Sandboxes

PERIOD_SECONDS = 30.0
_CLEAR_POLL_SECONDS = 0.1


class Reaper:
    """Finds containers by their labels: instance, boot and expiry."""

    def __init__(self, containers: Containers, sandboxes: Sandboxes, observer: Observer) -> None:
        """Nothing happens before ``sweep``."""
        self._containers = containers
        self._sandboxes = sandboxes
        self._observer = observer
        self._strangers: set[str] = set()
        self._reaped: set[str] = set()

    async def run(self) -> None:
        """Sweep for ever. An engine that does not answer is tried again at the next round."""
        while True:
            await self.try_sweep()
            await asyncio.sleep(PERIOD_SECONDS)

    async def try_sweep(self) -> None:
        """One round; what the engine refuses waits for the next one."""
        try:
            await self.sweep()
        except EngineError:
            # Engine calls are observed, so this was logged and counted already.
            return

    async def sweep(self) -> int:
        """Remove what is left over and say how many. Raises EngineError where nothing can be listed."""
        found = await self._containers.list()
        listed = {entry.id for entry in found}
        # An engine may go on listing what it says is gone.
        self._reaped &= listed
        doomed = [(entry.id, why) for entry in found if (why := self._why(entry))]
        before = len(self._reaped)
        for container, why in doomed:
            if container not in self._reaped:
                await self._reap(container, why)
        mine = {entry.id for entry in found if entry.boot == self._containers.boot}
        self._strangers = mine - self._sandboxes.living
        return len(self._reaped) - before

    async def _reap(self, container: str, why: str) -> None:
        """One that the engine does not let go keeps none of the others; it waits for the next round."""
        with contextlib.suppress(EngineError):
            await self._containers.remove(container)
            self._reaped.add(container)
            self._observer.reaped(container, why)

    async def wait_until_clear(self, seconds: float) -> None:
        """Return when the engine lists nothing of this boot any more, or does not answer.

        An engine that says that a container is being removed has not yet done so.
        """
        with contextlib.suppress(TimeoutError, EngineError):
            async with asyncio.timeout(seconds):
                while any(e.boot == self._containers.boot for e in await self._containers.list()):  # noqa: ASYNC110 - the engine is asked, nothing of ours tells
                    await asyncio.sleep(_CLEAR_POLL_SECONDS)

    def _why(self, entry: FoundContainer) -> str:
        """Reason to remove this container; empty where it must stay."""
        if entry.expires < time.time():
            return "expired"
        if entry.instance != self._containers.instance:
            return ""
        if entry.boot != self._containers.boot:
            return "left by an earlier start"
        # One of this very process that the pool does not know. It may just be coming or going, so it
        # must have been unknown in the round before as well.
        unknown = entry.id not in self._sandboxes.living and entry.id in self._strangers
        return "unknown to its own server" if unknown else ""
