"""Whether programs can be run now: the engine answers, an image is ready, the server is not draining."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from executor_server.errors import EngineError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor_server.engine.client import EngineClient
    from executor_server.images import ImageStore
    from executor_server.observer import Observer

PERIOD_SECONDS = 2.0
# While only an image is missing, callers wait for the change.
_IMPATIENT_SECONDS = 0.1
NO_ENGINE = "the container engine does not answer"
_NO_IMAGE = "no language image is ready yet"
_PING_SECONDS = 5.0
_RETRY_SECONDS = 2.0


class Health:
    """One truth for the Health call, the standard health service and the log."""

    def __init__(self, engine: EngineClient, images: ImageStore, observer: Observer) -> None:
        """Not serving until the first check says so."""
        self._engine = engine
        self._images = images
        self._observer = observer
        self._draining = False
        self._listeners: list[Callable[[bool], None]] = []
        self.reason = "the server is starting"
        """Why no program can be run, fit for callers; empty where one can."""
        self._detail = ""

    @property
    def serving(self) -> bool:
        """Programs can be run."""
        return not self.reason

    def require(self) -> None:
        """Raise UnavailableError with the reason unless programs can be run."""
        if self.reason:
            raise UnavailableError("NOT_SERVING", self.reason, _RETRY_SECONDS)

    def require_engine(self) -> None:
        """Raise UnavailableError where the engine is known not to answer."""
        if self.reason == NO_ENGINE:
            raise UnavailableError("ENGINE_UNREACHABLE", NO_ENGINE, _RETRY_SECONDS)

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Call back now and at every change."""
        self._listeners.append(listener)
        listener(self.serving)

    def drain(self) -> None:
        """Not serving from now on."""
        self._draining = True
        self._set("the server is shutting down")

    async def run(self) -> None:
        """Check for ever."""
        while True:
            await self.check()
            await asyncio.sleep(_IMPATIENT_SECONDS if self.reason == _NO_IMAGE else PERIOD_SECONDS)

    async def check(self) -> None:
        """Look once and tell the listeners of a change."""
        reason = await self._look()
        if not self._draining:
            self._set(reason)

    async def _look(self) -> str:
        try:
            await self._engine.ping(_PING_SECONDS)
        except EngineError as failure:
            self._detail = str(failure)
            return NO_ENGINE
        return "" if self._images.any_ready else _NO_IMAGE

    def _set(self, reason: str) -> None:
        changed = bool(reason) != bool(self.reason) or reason != self.reason
        self.reason = reason
        if changed:
            detail = f"{reason}: {self._detail}" if reason == NO_ENGINE else reason
            self._observer.service_state(self.serving, detail)
            for listener in self._listeners:
                listener(self.serving)
