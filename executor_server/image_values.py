"""What the layers know of images: their states, their progress, and the engine that makes them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from executor_server.engine.images import BuildRequest, ImageFacts


class ImageError(Exception):
    """An image cannot be made; the message says why and what to do."""


class State(enum.Enum):
    """How far the image of a language's version is. The names are those of the API."""

    PENDING = "PENDING"
    BUILDING = "BUILDING"
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class SandboxImage:
    """An image that holds the agent: sandboxes are made from it."""

    ref: str
    digest: str
    """Id of the image, ``sha256:...``."""
    size_bytes: int
    version: str
    """Real full version of the language in it; empty for a shared run image."""
    env: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Environment that the image asks for (PATH, JAVA_HOME ...), for its programs to have."""


@dataclass(frozen=True, slots=True)
class ImageState:
    """Whether a version of a language can run programs, and in which images."""

    state: State
    reason: str = ""
    """Why not, where the state is FAILED."""
    image: SandboxImage | None = None
    """The version's own image, once READY."""
    run: SandboxImage | None = None
    """The image to run in: the shared one, or the version's own."""
    compile: SandboxImage | None = None
    """The image to compile in; None for a language without a compile stage."""

    @property
    def version(self) -> str:
        """The real version; empty while it is not known."""
        return self.image.version if self.image else ""

    def explain(self) -> str:
        """Why no program can run, for people; empty where one can."""
        return self.reason or _EXPLANATIONS[self.state]


_EXPLANATIONS = {
    State.PENDING: "it waits for its turn to be built",
    State.BUILDING: "it is being built",
    State.READY: "",
    State.FAILED: "it could not be built",
}


class Step(enum.Enum):
    """What became of an image."""

    STARTED = "started"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImageProgress:
    """An image is being made, was made, or could not be made."""

    name: str
    """For people, for example ``"python 3.13"``."""
    step: Step
    seconds: float = 0.0
    size_bytes: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ImagePaths:
    """Where the data that images are made from lies."""

    languages: Path
    agent: Path


class ImageObserver(Protocol):
    """Who wants to know about images."""

    def image_progress(self, progress: ImageProgress) -> None:
        """Called at the start and at the end of every image that is made."""


class ImageEngine(Protocol):
    """The part of the engine that images need.

    Every method raises EngineError where the engine fails, ImageError where the image is at fault.
    """

    async def inspect(self, ref: str) -> ImageFacts | None:
        """The image of this name; None where there is none."""

    async def pull(self, ref: str, silence_seconds: float) -> None:
        """Fetch it from a registry."""

    async def import_root(self, ref: str, tar: IO[bytes], labels: Mapping[str, str]) -> None:
        """Make it from a root file system."""

    async def build(self, request: BuildRequest) -> None:
        """Make it from a recipe."""

    async def first_line(self, ref: str, command: tuple[str, ...]) -> str:
        """The first line that a command of the image prints."""
