"""Sandboxes that were started before they are asked for. Lease one, use it once, it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor_server.demand import Demand
from executor_server.errors import EngineError, SandboxStartError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from executor_server.model import SandboxSpec
    from executor_server.observer import Observer
    from executor_server.sandbox import Sandbox
    from executor_server.sandboxes import Sandboxes

MAX_AGE_SECONDS = 600.0
"""Older ones are replaced: younger than what the agent bears, and than what the reaper leaves alone."""
_TICK_SECONDS = 1.0
_MAX_PER_SHELF = 32
# The pause after a refill that failed: the engine, or the image, is broken for everybody.
_FAILURE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How much may wait, and how fast it is made."""

    idle_memory_mb: int
    """What those that wait may hold together, in MiB; 0: none waits, each is made when it is asked for."""
    pace: int
    """Sandboxes that are made at once, those that a request waits for included."""


@dataclass(slots=True)
class _Idle:
    sandbox: Sandbox
    since: float


@dataclass(slots=True)
class _Shelf:
    """What waits of one kind."""

    idle: deque[_Idle] = field(default_factory=deque)
    demand: Demand = field(default_factory=Demand)
    making: int = 0


class Pool:
    """Leases sandboxes: a waiting one of the same kind, one of the same image with other limits and one
    update, or a new one. Each is used for one command and removed after it, whatever happened.
    """

    def __init__(self, sandboxes: Sandboxes, limits: PoolLimits, observer: Observer) -> None:
        """Nothing waits before ``run``."""
        self._sandboxes = sandboxes
        self.limits = limits
        """May be replaced at any time."""
        self._observer = observer
        self._shelves: dict[SandboxSpec, _Shelf] = {}
        self._making = 0
        self._changed = asyncio.Event()
        self._paused_until = 0.0
        self._closed = False
        self._refills: set[asyncio.Task[None]] = set()

    def keep(self, specs: Iterable[SandboxSpec]) -> None:
        """One of each of these waits although nobody has asked for it; of no others."""
        wanted = set(specs)
        for spec, shelf in self._shelves.items():
            shelf.demand.least = int(spec in wanted)
        for spec in wanted - self._shelves.keys():
            self._shelves[spec] = _Shelf(demand=Demand(least=1))
        self._changed.set()

    @contextlib.asynccontextmanager
    async def lease(self, spec: SandboxSpec) -> AsyncIterator[tuple[Sandbox, bool]]:
        """A ready sandbox for one command, and whether it had waited. Raises SandboxStartError, EngineError."""
        shelf = self._shelves.setdefault(spec, _Shelf())
        shelf.demand.ask(time.monotonic())
        sandbox = await self._take(spec)
        warm = sandbox is not None
        if sandbox is None:
            sandbox = await self._make(spec)
        try:
            yield sandbox, warm
        finally:
            self._sandboxes.dispose(sandbox)
            self._changed.set()

    async def run(self) -> None:
        """Keep the shelves filled, for ever."""
        while True:
            self._changed.clear()
            self._retire()
            self._refill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._changed.wait()

    async def close(self) -> None:
        """Take everything down that waits."""
        self._closed = True
        for task in tuple(self._refills):
            task.cancel()
        await asyncio.gather(*self._refills, return_exceptions=True)
        for shelf in self._shelves.values():
            while shelf.idle:
                self._sandboxes.dispose(shelf.idle.popleft().sandbox)

    async def _take(self, spec: SandboxSpec) -> Sandbox | None:
        if sandbox := self._pop(spec):
            return sandbox
        for other in self._resizable(spec):
            if sandbox := self._pop(other):
                return await self._resized(sandbox, spec)
        return None

    def _pop(self, spec: SandboxSpec) -> Sandbox | None:
        """The oldest that still lives: the youngest may wait longest."""
        shelf = self._shelves[spec]
        while shelf.idle:
            sandbox = shelf.idle.popleft().sandbox
            if sandbox.alive:
                return sandbox
            self._sandboxes.dispose(sandbox)
        return None

    def _resizable(self, spec: SandboxSpec) -> list[SandboxSpec]:
        return [other for other in self._shelves if other != spec and other.can_become(spec)]

    async def _resized(self, sandbox: Sandbox, spec: SandboxSpec) -> Sandbox | None:
        try:
            await self._sandboxes.resize(sandbox, spec)
        except EngineError as failure:
            self._observer.sandbox_broken(spec.image, str(failure))
            self._sandboxes.dispose(sandbox)
            return None
        except BaseException:
            self._sandboxes.dispose(sandbox)
            raise
        return sandbox

    async def _make(self, spec: SandboxSpec) -> Sandbox:
        self._making += 1
        try:
            return await self._sandboxes.make(spec)
        finally:
            self._making -= 1

    def _retire(self) -> None:
        """Dispose of what is dead, too old, or more than is wanted; forget kinds that nobody asks for."""
        now = time.monotonic()
        for spec, shelf in list(self._shelves.items()):
            target = shelf.demand.target(now, _MAX_PER_SHELF)
            for idle in list(shelf.idle):
                surplus = len(shelf.idle) > target
                if surplus or not idle.sandbox.alive or now - idle.since > MAX_AGE_SECONDS:
                    shelf.idle.remove(idle)
                    self._sandboxes.dispose(idle.sandbox)
            if not (target or shelf.idle or shelf.making):
                del self._shelves[spec]

    def _refill(self) -> None:
        """Start what is missing, as far as the pace allows: requests that wait for a new one go first."""
        now = time.monotonic()
        if self._closed or now < self._paused_until:
            return
        while self._making < self.limits.pace:
            spec = self._neediest(now, self.limits.idle_memory_mb - self._held_mb())
            if spec is None:
                return
            self._begin(spec)

    def _held_mb(self) -> int:
        shelves = self._shelves.items()
        return sum(spec.idle_mb * (len(shelf.idle) + shelf.making) for spec, shelf in shelves)

    def _neediest(self, now: float, room_mb: int) -> SandboxSpec | None:
        """The kind that has the smallest share of what should wait, of those that there is room for."""
        share: dict[SandboxSpec, float] = {}
        for spec, shelf in self._shelves.items():
            target = shelf.demand.target(now, _MAX_PER_SHELF)
            present = len(shelf.idle) + shelf.making
            if present < target and spec.idle_mb <= room_mb:
                share[spec] = present / target
        return min(share, key=share.__getitem__) if share else None

    def _begin(self, spec: SandboxSpec) -> None:
        shelf = self._shelves[spec]
        shelf.making += 1
        self._making += 1
        task = asyncio.create_task(self._fill(spec, shelf), name="pool refill")
        self._refills.add(task)
        task.add_done_callback(self._refills.discard)

    async def _fill(self, spec: SandboxSpec, shelf: _Shelf) -> None:
        try:
            sandbox = await self._sandboxes.make(spec)
        except (EngineError, SandboxStartError):
            # Observed where it happened. A request for this kind makes its own, and gets the error.
            self._paused_until = time.monotonic() + _FAILURE_SECONDS
            return
        finally:
            shelf.making -= 1
            self._making -= 1
            self._changed.set()
        if self._closed:
            self._sandboxes.dispose(sandbox)
            return
        shelf.idle.append(_Idle(sandbox, time.monotonic()))
