"""The engine as the benchmark uses it: containers of its own, which leave with it whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from executor_server.engine.client import EngineClient
from executor_server.engine.containers import AttachedStream
from executor_server.engine.profile import INSTANCE_LABEL, Owner
from executor_server.errors import EngineError
from executor_server.observer import Observer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from executor_server.engine.client import EngineAddress

_LIFETIME_SECONDS = 4 * 3600
_STDOUT = 1


class ContainerFailedError(Exception):
    """A container of the benchmark did not do what it was made for; the message has what it said."""


class Laboratory:
    """One connection to the engine, and the label that all containers of this run bear.

    They bear the service's labels too, with an expiry: where the benchmark itself is killed, the next
    server on this engine removes what it left.
    """

    def __init__(self, address: EngineAddress) -> None:
        """Connects at the first call."""
        self.client = EngineClient(address, Observer())
        self.run = f"bench-{secrets.token_hex(4)}"
        self._boot = secrets.token_hex(8)

    async def close(self) -> None:
        """Remove everything that bears the label of this run, then disconnect."""
        for container in await self.containers(self.run):
            await self.remove(container)
        await self.client.close()

    async def containers(self, instance: str) -> list[str]:
        """Ids of all containers of one instance, in any state. Raises EngineError."""
        filters = quote(json.dumps({"label": [f"{INSTANCE_LABEL}={instance}"]}))
        found = await self.client.get_json("list", f"containers/json?all=1&filters={filters}")
        return [str(entry["Id"]) for entry in found]

    async def inspect(self, container: str) -> dict[str, Any]:
        """Everything that the engine knows of it. Raises EngineError."""
        answer: dict[str, Any] = await self.client.get_json(
            "inspect", f"containers/{container}/json"
        )
        return answer

    def owner(self) -> Owner:
        """Whose the containers of this run are."""
        return Owner(self.run, self._boot, int(time.time()) + _LIFETIME_SECONDS)

    async def create(self, config: dict[str, Any]) -> str:
        """Make a container from the body of a create call. Raises EngineError."""
        config = {**config, "Labels": self.owner().labels(str(config["Image"]))}
        async with self.client.call("create", 60.0):
            answer = await self.client.docker._query_json(
                "containers/create", method="POST", data=config
            )
        return str(answer["Id"])

    async def attach(self, container: str) -> AttachedStream:
        """Its stream; it must always be read. Raises EngineError."""
        stream = AttachedStream(self.client, container)
        await stream.open()
        return stream

    async def start(self, container: str) -> None:
        """Raises EngineError."""
        query = self.client.docker._query(f"containers/{container}/start", method="POST")
        async with self.client.call("start"), query:
            pass

    async def wait(self, container: str) -> int:
        """Exit code, once it has one. Raises EngineError."""
        async with self.client.call("wait", 120.0):
            answer = await self.client.docker._query_json(
                f"containers/{container}/wait", method="POST"
            )
        return int(answer["StatusCode"])

    async def remove(self, container: str) -> None:
        """Kill and remove it; one that is gone is success. Raises EngineError."""
        query = self.client.docker._query(
            f"containers/{container}", method="DELETE", params={"force": "1", "v": "1"}
        )
        try:
            async with self.client.call("remove", 60.0), query:
                pass
        except EngineError as failure:
            if failure.status not in {404, 409}:
                raise

    @contextlib.asynccontextmanager
    async def made(self, config: dict[str, Any]) -> AsyncIterator[str]:
        """A container that exists while the block runs; its id. Raises EngineError."""
        # Shielded: a create call that is cancelled half-way leaks its container.
        making = asyncio.ensure_future(self.create(config))
        try:
            container = await asyncio.shield(making)
        except asyncio.CancelledError:
            await self.remove(await making)
            raise
        try:
            yield container
        finally:
            await self.remove(container)

    @contextlib.asynccontextmanager
    async def started(self, config: dict[str, Any]) -> AsyncIterator[AttachedStream]:
        """A container that runs while the block does, and its stream. Raises EngineError."""
        async with self.made(config) as container:
            stream = await self.attach(container)
            try:
                await self.start(container)
                yield stream
            finally:
                # Before the removal, which an unread stream makes hang.
                await stream.close()


async def read_to_end(stream: AttachedStream) -> bytes:
    """Standard output until the container ends. Raises ContainerFailedError on standard error."""
    out, err = bytearray(), bytearray()
    while (piece := await stream.read()) is not None:
        source, data = piece
        (out if source == _STDOUT else err).extend(data)
    if err:
        raise ContainerFailedError(err.decode(errors="replace"))
    return bytes(out)


def workshop(image: str, argv: tuple[str, ...], *, stdin: bool) -> dict[str, Any]:
    """Create body of a container without limits: as bare as a container can be.

    No limit on memory, CPU or processes, no seccomp filter, no network to set up, and the working
    directory in memory as a sandbox has it.
    """
    return {
        "Image": image,
        "Entrypoint": [argv[0]],
        "Cmd": list(argv[1:]),
        "User": "0:0",
        "WorkingDir": "/box",
        "NetworkDisabled": True,
        "AttachStdin": stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": stdin,
        # Where the benchmark dies, the input ends, and so does what reads it.
        "StdinOnce": stdin,
        "HostConfig": {
            "NetworkMode": "none",
            "LogConfig": {"Type": "none"},
            "SecurityOpt": ["seccomp=unconfined"],
            "Tmpfs": {"/box": "rw,exec,size=512m", "/tmp": "rw,exec,size=512m"},
        },
    }
