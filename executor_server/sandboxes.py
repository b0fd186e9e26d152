"""Makes sandboxes and takes them down again; knows every container that this server owns."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from executor_server.errors import EngineError, ImageLostError, SandboxStartError
from executor_server.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor_server.engine.containers import Containers
    from executor_server.engine.events import EngineEvents
    from executor_server.model import SandboxSpec
    from executor_server.observer import Observer

IDLE_SECONDS = 900
"""How long an agent waits for its command before it exits by itself."""
_SLACK_SECONDS = 180
_LEAVES_BY_ITSELF_SECONDS = 5.0
_REMOVAL_ATTEMPTS = 6
_START_ATTEMPTS = 2


class Sandboxes:
    """The sandboxes of one server on one engine."""

    def __init__(
        self,
        containers: Containers,
        events: EngineEvents,
        observer: Observer,
        image_lost: Callable[[str], None],
        *,
        longest_seconds: float,
        trace: bool,
    ) -> None:
        """No sandbox is made yet.

        ``image_lost`` hears of an image that the engine has lost; ``longest_seconds``: wall time of the
        longest command; ``trace``: show every frame to the observer.
        """
        # After this long anybody's reaper may remove a container.
        self._lifetime_seconds = math.ceil(IDLE_SECONDS + longest_seconds + _SLACK_SECONDS)
        self._image_lost = image_lost
        self._containers = containers
        self._events = events
        self._observer = observer
        self._trace = observer.frame if trace else None
        self.living: set[str] = set()
        """Ids of the containers that are ours, until the engine has removed them."""

    async def make(self, spec: SandboxSpec) -> Sandbox:
        """A ready sandbox; one that breaks on the way is replaced. Raises EngineError, SandboxStartError."""
        for attempt in range(1, _START_ATTEMPTS + 1):
            try:
                return await self._make(spec)
            except ImageLostError:
                self._image_lost(spec.image)
                raise
            except (EngineError, SandboxStartError) as failure:
                self._observer.sandbox_broken(spec.image, str(failure))
                if attempt == _START_ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def resize(self, sandbox: Sandbox, spec: SandboxSpec) -> None:
        """Give a waiting sandbox the limits of ``spec``, of the same image. Raises EngineError."""
        await self._containers.update(sandbox.container, spec)
        sandbox.spec = spec

    def dispose(self, sandbox: Sandbox) -> None:
        """Take it down in the background, whatever becomes of the one who asks."""
        self._containers.in_background(self._dispose(sandbox))

    async def _make(self, spec: SandboxSpec) -> Sandbox:
        began = time.monotonic()
        expires = int(time.time()) + self._lifetime_seconds
        container = await self._containers.create(spec, expires, IDLE_SECONDS)
        self.living.add(container)
        fate = self._events.watch(container)
        sandbox: Sandbox | None = None
        starting: asyncio.Task[None] | None = None
        try:
            stream = await self._containers.attach(container)
            sandbox = Sandbox(spec, container, stream, fate, self._trace)
            # Not cancelled half-way: only one that is known to have started leaves by itself.
            starting = self._containers.in_background(self._containers.start(container))
            await asyncio.shield(starting)
            await sandbox.hello()
        except BaseException:
            self._containers.in_background(self._discard(container, sandbox, starting))
            raise
        self._observer.sandbox_made(spec.image, time.monotonic() - began)
        return sandbox

    async def _discard(
        self, container: str, sandbox: Sandbox | None, starting: asyncio.Task[None] | None
    ) -> None:
        """Take down what was never handed out.

        One that has started is never removed by force while it leaves by itself: where both happen at
        once, an engine may list it for ever after, with neither a name nor a way to remove it.
        """
        if sandbox is not None and starting is not None and await _succeeds(starting):
            await self._dispose(sandbox)
            return
        if sandbox is not None:
            await sandbox.close()
        await self._remove(container, time.monotonic())

    async def _dispose(self, sandbox: Sandbox) -> None:
        """Close the stream: the agent exits and the engine removes the container by itself.

        Only where that does not happen in time is it removed by force, and again until it is gone.
        """
        began = time.monotonic()
        await sandbox.close()
        try:
            async with asyncio.timeout(_LEAVES_BY_ITSELF_SECONDS):
                await sandbox.fate.destroyed.wait()
        except TimeoutError:
            await self._remove(sandbox.container, began)
        else:
            self._forget(sandbox.container, began, "itself")

    async def _remove(self, container: str, began: float) -> None:
        for attempt in range(_REMOVAL_ATTEMPTS):
            try:
                await self._containers.remove(container)
            except EngineError:
                await asyncio.sleep(min(2**attempt, 30))
            else:
                self._forget(container, began, "forced")
                return
        # Not ours any more: the reaper finds it by its labels.
        self._forget(container, began, "lost")

    def _forget(self, container: str, began: float, how: str) -> None:
        self.living.discard(container)
        self._events.forget(container)
        self._observer.sandbox_removed(container, time.monotonic() - began, how)


async def _succeeds(starting: asyncio.Task[None]) -> bool:
    try:
        await starting
    except EngineError:
        return False
    return True
