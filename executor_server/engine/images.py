"""Images on the engine: inspected, pulled, imported, built, and asked once for the version in them.

Builds use the engine's own (classic) builder through its HTTP API, on the host's network: no client
program is needed, and a remote engine works. The networking of a build has no argument in
aiodocker's ``images.build``, hence the query by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from aiodocker import DockerError
from yarl import URL

from executor_server.engine.profile import EXPIRES_LABEL, IMAGE_LABEL, INSTANCE_LABEL
from executor_server.image_values import ImageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from executor_server.engine.client import EngineClient

_INSPECT_SECONDS = 30.0
_PULL_SECONDS = 1800.0
_IMPORT_SECONDS = 900.0
_BUILD_SECONDS = 1800.0
_PROBE_SECONDS = 60.0
# The engine has this much longer to answer than an image has to be made.
_MARGIN_SECONDS = 30.0
_TAIL_CHARACTERS = 2000
_MIB = 1024 * 1024
# Bears no server's name, so that any server removes what one that died has left.
_PROBE_INSTANCE = "version-probe"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the engine knows of an image."""

    id: str
    """``sha256:...`` of its configuration: the digest that names exactly this image."""
    size_bytes: int
    labels: Mapping[str, str]
    env: Mapping[str, str]
    """The environment that the image asks for, PATH among it."""
    volumes: tuple[str, ...]
    """Folders for which every container of the image gets storage of its own on the host's disk."""
    triggers: tuple[str, ...]
    """Build steps that the image forces on what is built from it."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One image to build."""

    tag: str
    context: bytes
    """A tar with everything that the recipe copies, and the recipe."""
    dockerfile: str
    """Name of the recipe in the context."""
    args: Mapping[str, str]
    labels: Mapping[str, str]


class EngineImages:
    """The images of one engine.

    Every method raises EngineError where the engine fails or hangs, and ImageError where the engine
    does as it is told and the image is at fault.
    """

    def __init__(self, client: EngineClient) -> None:
        """Connects at the first call."""
        self._client = client
        self._probes: set[asyncio.Task[str]] = set()

    async def inspect(self, ref: str) -> ImageFacts | None:
        """The image of this name; None where the engine has none."""
        async with self._client.call("inspect image", _INSPECT_SECONDS):
            try:
                found = await self._client.docker.images.inspect(ref)
            except DockerError as failure:
                # An answer, not a failure of the engine: it is not to be counted as one.
                if failure.status == 404:
                    return None
                raise
        return _facts(found)

    async def pull(self, ref: str, silence_seconds: float) -> None:
        """Fetch from a registry; one that says nothing for ``silence_seconds`` has failed."""
        name, tag = _split(ref)
        url = URL("images/create").with_query({"fromImage": name, "tag": tag})
        await self._long_query("pull", url, None, _PULL_SECONDS, silence_seconds)

    async def import_root(self, ref: str, tar: IO[bytes], labels: Mapping[str, str]) -> None:
        """Make an image of a root file system."""
        name, tag = _split(ref)
        changes = ['CMD ["bash"]', *(f"LABEL {key}={value}" for key, value in labels.items())]
        url = URL("images/create").with_query(
            [
                ("fromSrc", "-"),
                ("repo", name),
                ("tag", tag),
                *(("changes", line) for line in changes),
            ]
        )
        await self._long_query("import", url, tar, _IMPORT_SECONDS)

    async def build(self, request: BuildRequest) -> None:
        """Build; the error of a failing recipe ends with the last lines that it printed."""
        query = {
            "t": request.tag,
            "dockerfile": request.dockerfile,
            "buildargs": json.dumps(dict(request.args)),
            "labels": json.dumps(dict(request.labels)),
            "networkmode": "host",
            "rm": "1",
            "forcerm": "1",
        }
        url = URL("build").with_query(query)
        await self._long_query("build", url, request.context, _BUILD_SECONDS)

    async def _long_query(
        self,
        call: str,
        url: URL,
        body: bytes | IO[bytes] | None,
        seconds: float,
        silence_seconds: float | None = None,
    ) -> None:
        """POST, then read the engine's progress to its end."""
        progress = _Progress(call)
        async with (
            self._client.call(call, seconds + _MARGIN_SECONDS),
            _at_most(call, silence_seconds or seconds) as limit,
            self._client.docker._query(
                url,
                method="POST",
                data=body,
                headers={"Content-Type": "application/x-tar"},
                timeout=None,
            ) as response,
            response,
        ):
            async for chunk in response.content.iter_any():
                if silence_seconds is not None:
                    limit.reschedule(asyncio.get_running_loop().time() + silence_seconds)
                progress.feed(chunk)

    async def first_line(self, ref: str, command: tuple[str, ...]) -> str:
        """Run a command of the image in a hardened container; the first line that it printed.

        Raises ImageError where the command fails, hangs or prints nothing. The container is removed
        even where the caller is cancelled: a create call that is cancelled half-way would leak it.
        """
        probe = asyncio.ensure_future(self._probe(ref, command))
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)
        return await asyncio.shield(probe)

    async def _probe(self, ref: str, command: tuple[str, ...]) -> str:
        async with self._client.call("create"):
            made = await self._client.docker._query_json(
                "containers/create", method="POST", data=_probe_config(ref, command)
            )
        try:
            exit_code = await self._run(made["Id"])
            output = await self._output(made["Id"])
        finally:
            await self._remove(made["Id"])
        if exit_code != 0 or not output:
            raise ImageError(
                f"{' '.join(command)} in {ref} ended with exit code {exit_code} and printed "
                f"{output!r}; expected exit code 0 and a version"
            )
        return output.splitlines()[0].strip()

    async def _run(self, container: str) -> int:
        async with (
            self._client.call("start"),
            self._client.docker._query(f"containers/{container}/start", method="POST"),
        ):
            pass
        async with (
            self._client.call("wait", _PROBE_SECONDS + _MARGIN_SECONDS),
            _at_most("the version command", _PROBE_SECONDS),
        ):
            ended = await self._client.docker._query_json(
                f"containers/{container}/wait", method="POST"
            )
        return int(ended["StatusCode"])

    async def _output(self, container: str) -> str:
        path = f"containers/{container}/logs?stdout=1&stderr=1"
        async with (
            self._client.call("logs"),
            self._client.docker._query(path) as response,
            response,
        ):
            text = (await response.read()).decode("utf-8", "replace")
        return text.strip()

    async def _remove(self, container: str) -> None:
        path = f"containers/{container}?force=1&v=1"
        async with (
            self._client.call("remove"),
            self._client.docker._query(path, method="DELETE") as response,
            response,
        ):
            pass


@contextlib.asynccontextmanager
async def _at_most(what: str, seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """A limit of the image's own, below that of the call: an engine that answers is not to blame."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield limit
    except TimeoutError as failure:
        raise ImageError(f"{what}: nothing came of it within {seconds:.0f} s") from failure


class _Progress:
    """The engine's progress: JSON documents, one a line, of which one may be an error."""

    def __init__(self, call: str) -> None:
        self._call = call
        self._rest = b""
        self._printed = ""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises ImageError at an error."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        self._printed = (self._printed + message.get("stream", ""))[-_TAIL_CHARACTERS:]
        if "error" in message:
            raise ImageError(f"{self._call} failed: {message['error']}\n{self._printed}".strip())


def _facts(found: dict[str, Any]) -> ImageFacts:
    config = found.get("Config") or {}
    env = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    return ImageFacts(
        id=found["Id"],
        size_bytes=found["Size"],
        labels=config.get("Labels") or {},
        env=env,
        volumes=tuple(config.get("Volumes") or ()),
        triggers=tuple(config.get("OnBuild") or ()),
    )


def _split(ref: str) -> tuple[str, str]:
    """Name and tag, or name and digest, of a reference. A colon before a slash is a port."""
    name, at, digest = ref.partition("@")
    if at:
        return name, digest
    name, colon, tag = ref.rpartition(":")
    if colon and "/" not in tag:
        return name, tag
    return ref, "latest"


def _probe_config(ref: str, command: tuple[str, ...]) -> dict[str, Any]:
    """Body of the create call: an image that nobody looked into yet gets no more than a sandbox."""
    return {
        "Image": ref,
        "Entrypoint": [command[0]],
        "Cmd": list(command[1:]),
        "User": "65534:65534",
        "WorkingDir": "/",
        "NetworkDisabled": True,
        # One stream as it was printed, instead of frames.
        "Tty": True,
        "Labels": {
            INSTANCE_LABEL: _PROBE_INSTANCE,
            EXPIRES_LABEL: str(int(time.time() + 2 * _PROBE_SECONDS)),
            IMAGE_LABEL: ref,
        },
        "HostConfig": {
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "IpcMode": "private",
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "64k", "max-file": "1"}},
            "Tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=16m"},  # noqa: S108
            "Memory": 512 * _MIB,
            "MemorySwap": 512 * _MIB,
            "NanoCpus": 1_000_000_000,
            "PidsLimit": 64,
        },
    }
