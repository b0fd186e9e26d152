"""What the engine says happened to our containers: the evidence that the agent cannot give itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from executor_server.engine.profile import BOOT_LABEL
from executor_server.errors import EngineError

if TYPE_CHECKING:
    from executor_server.engine.client import EngineClient

_RECONNECT_SECONDS = 0.5


@dataclass(slots=True)
class Fate:
    """What is known of one container's end."""

    out_of_memory: bool = False
    died: asyncio.Event = field(default_factory=asyncio.Event)
    destroyed: asyncio.Event = field(default_factory=asyncio.Event)


class EngineEvents:
    """Follows the engine's event stream and keeps the fate of every container that is watched.

    The stream may break and lose events at any time, so whoever waits here must have a limit and a
    second way to the truth.
    """

    def __init__(self, client: EngineClient, boot: str) -> None:
        """Follow the containers that bear this boot's label."""
        self._client = client
        self._boot = boot
        self._fates: dict[str, Fate] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow, in the background."""
        self._task = asyncio.create_task(self._follow(), name="engine events")

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def watch(self, container: str) -> Fate:
        """Keep the fate of this container, until it is forgotten."""
        return self._fates.setdefault(container, Fate())

    def forget(self, container: str) -> None:
        """It is gone and its fate was read."""
        self._fates.pop(container, None)

    async def _follow(self) -> None:
        while True:
            # The monitor of the engine's health tells of it; here only the next attempt matters.
            # A stream that breaks may end with half a line, which is no JSON.
            with contextlib.suppress(EngineError, ValueError):
                await self._read()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _read(self) -> None:
        filters = {
            "type": ["container"],
            "label": [f"{BOOT_LABEL}={self._boot}"],
            "event": ["oom", "die", "destroy"],
        }
        async with self._client.call("events", seconds=24 * 3600.0):
            query = self._client.docker._query(
                "events", params={"filters": json.dumps(filters)}, timeout=None
            )
            async with query as response:
                async for line in response.content:
                    self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        fate = self._fates.get(event.get("Actor", {}).get("ID", ""))
        if fate is None:
            return
        match event.get("Action"):
            case "oom":
                fate.out_of_memory = True
            case "die":
                fate.died.set()
            case "destroy":
                fate.died.set()
                fate.destroyed.set()
