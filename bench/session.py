"""What every stage of the benchmark works with: the engine, the images, the programs, a running service."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.bare import bare_loop
from bench.engine import Laboratory
from bench.programs import Program, everything, hello
from bench.service import running_service
from executor_server.engine.client import EngineAddress
from executor_server.engine.images import EngineImages
from executor_server.image_values import ImagePaths, State
from executor_server.images import ImageStore
from executor_server.language_file import load_languages
from executor_server.observer import Observer
from executor_server.plan import run_spec
from executor_server.settings import host_environment, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from bench.bare import BareLoop
    from bench.scale import Scale
    from bench.service import RunningService
    from executor_server.image_values import ImageState
    from executor_server.languages import Languages
    from executor_server.model import SandboxSpec
    from executor_server.settings import Settings

COMPILER_OF_LOOP = "c"
REFERENCE = "python"


class ImagesMissingError(Exception):
    """An image that is to be measured is not there; the message says which."""


@dataclass(slots=True)
class Session:
    """One run of the benchmark."""

    laboratory: Laboratory
    scale: Scale
    settings: Settings
    languages: Languages
    images: ImageStore
    chosen: list[str]
    """Names of the languages that are measured."""
    loop: bytes = b""

    @property
    def reference(self) -> Program:
        """The program of every measurement that needs one only: a hello world in Python."""
        return self.hello(REFERENCE)

    def hello(self, name: str) -> Program:
        """The hello world of a language. Raises UnknownPlainCommandError."""
        language = self.languages.find(name)
        assert language is not None, f"{name} is one of the languages that were read"
        return hello(language)

    def programs(self) -> list[Program]:
        """Everything whose latency is measured."""
        found = [self.hello(name) for name in self.chosen]
        cpp = self.languages.find("cpp")
        if cpp is not None and cpp.name in self.chosen:
            found.append(everything(cpp))
        return found

    def image(self, name: str) -> str:
        """The language's own image, the one with its compiler."""
        image = self._state(name).image
        assert image is not None, "images were made before anything is measured"
        return image.ref

    def reference_spec(self) -> SandboxSpec:
        """What the service makes a sandbox for the reference program from, at default limits."""
        language = self.languages.find(REFERENCE)
        assert language is not None, f"the benchmark needs the language {REFERENCE}"
        defaults = self.settings
        return run_spec(
            language.run,
            self._state(REFERENCE),
            defaults.memory_limit_mb_default,
            defaults.cpu_limit_default,
        )

    def service(self, *flags: str) -> AbstractAsyncContextManager[RunningService]:
        """A service of its own for one stage."""
        return running_service(self.laboratory, {REFERENCE, *self.chosen}, *flags)

    def bare(self, program: Program) -> AbstractAsyncContextManager[BareLoop]:
        """The plain command in a process loop."""
        return bare_loop(self.laboratory, program, self.image(program.language), self.loop)

    def _state(self, name: str) -> ImageState:
        language = self.languages.find(name)
        assert language is not None, f"{name} is one of the languages that were read"
        return self.images.state(language, language.versions[0])

    async def make_images(self) -> None:
        """Make what is missing. Raises ImagesMissingError."""
        await self.images.prepare()
        needed = {REFERENCE, COMPILER_OF_LOOP, *self.chosen}
        missing = [name for name in needed if self._state(name).state is not State.READY]
        if missing:
            reasons = "; ".join(self.images.failures())
            raise ImagesMissingError(f"no image of {', '.join(missing)}: {reasons}")


@contextlib.asynccontextmanager
async def open_session(scale: Scale, wanted: list[str]) -> AsyncIterator[Session]:
    """A session over the engine that the service's own settings name; nothing of it is left after."""
    settings, _ = load({}, None)
    address = EngineAddress(settings.docker_host, settings.docker_cert_path or None)
    languages = load_languages(settings.languages_dir)
    laboratory = Laboratory(address)
    paths = ImagePaths(settings.languages_dir, settings.agent_dir)
    store = ImageStore(
        EngineImages(laboratory.client), languages, paths, Observer(), host_environment()
    )
    chosen = wanted or [language.name for language in languages]
    try:
        await laboratory.client.ping()
        yield Session(laboratory, scale, settings, languages, store, chosen)
    finally:
        await laboratory.close()
