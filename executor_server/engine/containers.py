"""Containers of sandboxes: made, attached, started, removed, listed. Never exec, never archive, never logs."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from aiodocker.stream import Stream
from yarl import URL

from executor_server.engine.profile import (
    BOOT_LABEL,
    EXPIRES_LABEL,
    INSTANCE_LABEL,
    Owner,
    container_config,
    resources,
)
from executor_server.errors import EngineError, ImageLostError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from executor_server.engine.client import EngineClient
    from executor_server.model import SandboxSpec

_T = TypeVar("_T")

# Both mean that somebody else has removed it, or is about to.
_GONE = frozenset({404, 409})
_NOT_FOUND = 404
_WRITE_SECONDS = 30.0
_UIDS = (100_000, 2**31 - 1)
_UIDS_REMAPPED = (1_000, 65_000)


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container on the engine that bears our label, whoever made it."""

    id: str
    instance: str
    boot: str
    expires: float
    """Unix time, seconds; 0 where the label cannot be read."""


class AttachedStream:
    """The one stream of a sandbox, both ways. It must always be read: an unread one wedges the engine."""

    def __init__(self, client: EngineClient, container: str) -> None:
        """Not yet connected."""
        self._client = client
        self._stream = Stream(client.docker, self._setup)
        self._container = container

    async def _setup(self) -> tuple[URL, bytes | None, bool]:
        query = {"stdin": "1", "stdout": "1", "stderr": "1", "stream": "1"}
        return URL(f"containers/{self._container}/attach").with_query(query), None, False

    async def open(self) -> None:
        """Connect. Raises EngineError."""
        async with self._client.call("attach"):
            await self._stream._init()

    async def read(self) -> tuple[int, bytes] | None:
        """Next piece: (1 stdout or 2 stderr of the agent, bytes); None at the end."""
        try:
            message = await self._stream.read_out()
        except (OSError, EOFError):
            return None
        return None if message is None else (message.stream, message.data)

    async def write(self, data: bytes) -> None:
        """Send to the agent. Raises EngineError where the connection is gone."""
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._stream.write_in(data)
        except (TimeoutError, OSError, RuntimeError, AssertionError) as failure:
            raise EngineError("attach", "the stream takes no more") from failure

    async def close(self) -> None:
        """Close both directions."""
        if self._stream._resp is None or self._stream._resp.connection is None:
            self._stream._closed = True
            return
        await self._stream.close()


class Containers:
    """The containers of one server on one engine."""

    def __init__(self, client: EngineClient, instance: str, remapped: bool = False) -> None:
        """``remapped``: the engine maps uids (userns-remap), so they must stay below 65,536."""
        self._client = client
        self.remapped = remapped
        self.instance = instance
        self.boot = secrets.token_hex(8)
        self._background: set[asyncio.Task[Any]] = set()

    async def create(self, spec: SandboxSpec, expires: int, idle_seconds: int) -> str:
        """Make a container and return its id. Raises EngineError.

        A create call that is cancelled half-way leaks its container, so this one never is: where the
        caller is cancelled, the call goes on in the background and its container is removed.
        """
        owner = Owner(self.instance, self.boot, expires)
        config = container_config(spec, owner, self._random_uid(), idle_seconds)
        making = self.in_background(self._create(config))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            self.in_background(self._remove_when_made(making))
            raise

    async def _create(self, config: dict[str, Any]) -> str:
        name = f"code-executor-{self.boot}-{secrets.token_hex(8)}"
        try:
            async with self._client.call("create", 60.0):
                answer = await self._client.docker._query_json(
                    "containers/create", method="POST", data=config, params={"name": name}
                )
        except EngineError as failure:
            if failure.status == _NOT_FOUND:
                raise ImageLostError("create", str(failure), failure.status) from failure
            raise
        return str(answer["Id"])

    async def _remove_when_made(self, making: asyncio.Task[str]) -> None:
        try:
            container = await making
        except EngineError:
            return
        await self.remove(container)

    async def start(self, container: str) -> None:
        """Start it. Raises EngineError."""
        async with (
            self._client.call("start"),
            self._client.docker._query(f"containers/{container}/start", method="POST"),
        ):
            pass

    async def update(self, container: str, spec: SandboxSpec) -> None:
        """Give a running container the memory and CPU of ``spec``. Raises EngineError."""
        async with self._client.call("update"):
            await self._client.docker._query_json(
                f"containers/{container}/update", method="POST", data=resources(spec)
            )

    async def attach(self, container: str) -> AttachedStream:
        """Connect to its stream, before it is started. Raises EngineError."""
        stream = AttachedStream(self._client, container)
        await stream.open()
        return stream

    async def remove(self, container: str) -> None:
        """Kill and remove it; one that is gone, or going, is success. Raises EngineError.

        The attached stream must be closed before: an unread one makes this call hang.
        """
        try:
            async with (
                self._client.call("remove", 20.0),
                self._client.docker._query(
                    f"containers/{container}", method="DELETE", params={"force": "1", "v": "1"}
                ),
            ):
                pass
        except EngineError as failure:
            if failure.status not in _GONE:
                raise

    async def list(self) -> list[FoundContainer]:
        """Everything on the engine that bears our label, in any state. Raises EngineError."""
        filters = quote(json.dumps({"label": [INSTANCE_LABEL]}))
        found = await self._client.get_json("list", f"containers/json?all=1&filters={filters}")
        return [_found(entry) for entry in found]

    def in_background(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run to its end whatever becomes of the one who asked."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def settle(self, seconds: float) -> None:
        """Wait for what runs in the background."""
        if self._background:
            await asyncio.wait(tuple(self._background), timeout=seconds)

    def _random_uid(self) -> int:
        low, high = _UIDS_REMAPPED if self.remapped else _UIDS
        return low + secrets.randbelow(high - low)


def _found(entry: dict[str, Any]) -> FoundContainer:
    labels = entry.get("Labels") or {}
    expires = labels.get(EXPIRES_LABEL, "")
    return FoundContainer(
        id=entry["Id"],
        instance=labels.get(INSTANCE_LABEL, ""),
        boot=labels.get(BOOT_LABEL, ""),
        expires=float(expires) if expires.isdigit() else 0.0,
    )
