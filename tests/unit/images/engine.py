"""An engine that keeps images in memory: what is asked of it is written down, what it answers is set."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

from executor_server.engine.images import BuildRequest, ImageFacts
from executor_server.errors import EngineError
from executor_server.image_values import ImageError, ImageProgress


def facts_of(content: str, **changes: object) -> ImageFacts:
    """An image whose id follows from its content."""
    values: dict[str, object] = {
        "id": "sha256:" + hashlib.sha256(content.encode()).hexdigest(),
        "size_bytes": 1000,
        "labels": {},
        "env": {"PATH": "/usr/bin"},
        "volumes": (),
        "triggers": (),
    }
    return ImageFacts(**{**values, **changes})  # type: ignore[arg-type]


@dataclass
class MemoryEngine:
    """Behaves like the engine's images, without one."""

    images: dict[str, ImageFacts] = field(default_factory=dict)
    registry: dict[str, ImageFacts] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    """What the first word of a version command prints."""
    failing: dict[str, Exception] = field(default_factory=dict)
    """Errors of builds, by the beginning of the tag."""
    away: bool = False
    built: list[BuildRequest] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)
    imported: dict[str, bytes] = field(default_factory=dict)
    ran: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    building: int = 0
    most_building: int = 0

    def _answer(self, call: str) -> None:
        if self.away:
            raise EngineError(call, "no answer")

    async def inspect(self, ref: str) -> ImageFacts | None:
        self._answer("inspect image")
        return self.images.get(ref)

    async def pull(self, ref: str, silence_seconds: float) -> None:
        assert silence_seconds > 0
        self._answer("pull")
        self.pulled.append(ref)
        if ref not in self.registry:
            raise EngineError("pull", f"no such host for {ref}", 500)
        self.images[ref] = self.registry[ref]

    async def import_root(self, ref: str, tar: IO[bytes], labels: Mapping[str, str]) -> None:
        self._answer("import")
        self.imported[ref] = tar.read()
        self.images[ref] = facts_of(repr(self.imported[ref]), labels=dict(labels))

    async def build(self, request: BuildRequest) -> None:
        self._answer("build")
        self.building += 1
        self.most_building = max(self.most_building, self.building)
        try:
            self._build(request)
        finally:
            self.building -= 1

    def _build(self, request: BuildRequest) -> None:
        for beginning, failure in self.failing.items():
            if request.tag.startswith(beginning):
                raise failure
        self.built.append(request)
        content = f"{request.tag}{request.context!r}{sorted(request.args.items())}"
        self.images[request.tag] = facts_of(content, labels=dict(request.labels))

    async def first_line(self, ref: str, command: tuple[str, ...]) -> str:
        self._answer("create")
        self.ran.append((ref, command))
        if command[0] not in self.versions:
            raise ImageError(f"{command[0]} ended with exit code 127")
        return self.versions[command[0]]

    def tags(self) -> list[str]:
        """What was built, without the hashes."""
        return [request.tag.partition(":")[0] for request in self.built]

    def request(self, beginning: str) -> BuildRequest:
        """The one build of an image whose name begins like this."""
        (found,) = [entry for entry in self.built if entry.tag.startswith(beginning)]
        return found


def files_of(context: bytes) -> dict[str, tuple[bytes | None, int]]:
    """Content (None for a folder) and mode of everything in a build context."""
    with tarfile.open(fileobj=io.BytesIO(context)) as tar:
        members = [(member, tar.extractfile(member)) for member in tar.getmembers()]
        return {
            member.name: (content.read() if content else None, member.mode)
            for member, content in members
        }


class Progress:
    """Keeps what is said of images."""

    def __init__(self) -> None:
        self.said: list[ImageProgress] = []

    def image_progress(self, progress: ImageProgress) -> None:
        self.said.append(progress)
