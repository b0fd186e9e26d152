"""The images of all languages: which are ready, which are being made, which failed and why.

One image is made at a time, in the languages' order. What failed is tried again with growing
pauses; the other languages work meanwhile.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor_server.errors import EngineError
from executor_server.image_builder import ImageBuilder, plan_of_run_image, plan_of_version
from executor_server.image_values import (
    ImageEngine,
    ImageError,
    ImageObserver,
    ImagePaths,
    ImageProgress,
    ImageState,
    SandboxImage,
    State,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor_server.image_builder import ImagePlan
    from executor_server.languages import Language, Languages, LanguageVersion

__all__ = [
    "ImageEngine",
    "ImageError",
    "ImageObserver",
    "ImagePaths",
    "ImageProgress",
    "ImageState",
    "ImageStore",
    "SandboxImage",
    "State",
    "Step",
]

_FIRST_RETRY_SECONDS = 10.0
_LAST_RETRY_SECONDS = 600.0
_ENGINE_SECONDS = 1.0
_NO_ENGINE = "the container engine does not answer"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One version of a language."""

    language: Language
    version: LanguageVersion

    @property
    def key(self) -> tuple[str, str]:
        return self.language.name, self.version.version


class ImageStore:
    """Makes the images of all languages and says how far they are."""

    def __init__(
        self,
        engine: ImageEngine,
        languages: Languages,
        paths: ImagePaths,
        observer: ImageObserver,
        environ: Mapping[str, str],
    ) -> None:
        """``environ`` is where the host's proxies are named. Nothing happens before ``prepare``."""
        self._builder = ImageBuilder(engine, paths, observer, environ)
        self._paths = paths
        self._entries = [
            _Entry(language, version) for language in languages for version in language.versions
        ]
        self._states = {entry.key: ImageState(State.PENDING) for entry in self._entries}
        self._run_images: dict[str, SandboxImage] = {}
        self._making = asyncio.Lock()
        self._settled = asyncio.Event()
        self._lost = asyncio.Event()
        self._unreachable = False

    @property
    def agent_build_id(self) -> str:
        """What the agent of these images says in its first frame."""
        return self._builder.agent_build_id

    def state(self, language: Language, version: LanguageVersion) -> ImageState:
        """How far the image of this version is."""
        return self._states[language.name, version.version]

    def real_versions(self, language: Language) -> dict[str, str]:
        """Promised version to real version, of those that are ready."""
        states = {entry.version: self.state(language, entry) for entry in language.versions}
        return {promised: state.version for promised, state in states.items() if state.version}

    def select(self, language: Language, version: str) -> LanguageVersion | None:
        """The version that a request means; None for one that is not installed."""
        return language.select(version, self.real_versions(language))

    @property
    def any_ready(self) -> bool:
        """Programs of some language can be run."""
        return any(state.state is State.READY for state in self._states.values())

    def failures(self) -> list[str]:
        """What is not ready, one line each."""
        return [
            f"{language} {version}: {state.reason or 'not made yet'}"
            for (language, version), state in self._states.items()
            if state.state is not State.READY
        ]

    async def first_ready(self) -> bool:
        """Wait until a language is ready (True), or until each was tried in vain (False)."""
        await self._settled.wait()
        return self.any_ready

    async def prepare(self) -> None:
        """Find what is there, then make what is missing, each once; failures are in the states."""
        async with self._making:
            self._unreachable = False
            for step in (self._find, self._make):
                for entry in self._unready():
                    await step(entry)
                    if self._unreachable:
                        self._postpone()
                        return
            self._settled.set()

    async def keep_ready(self) -> None:
        """Prepare, and again whenever something failed or was lost, for ever."""
        pause = _FIRST_RETRY_SECONDS
        while True:
            self._lost.clear()
            await self.prepare()
            if self._unreachable:
                await asyncio.sleep(_ENGINE_SECONDS)
                continue
            failed = bool(self._unready())
            await _wait_at_most(self._lost, pause if failed else None)
            pause = min(2 * pause, _LAST_RETRY_SECONDS) if failed else _FIRST_RETRY_SECONDS

    def lost(self, ref: str) -> None:
        """The engine says that it has no such image any more: make it again."""
        for key, state in self._states.items():
            if any(image and image.ref == ref for image in (state.image, state.run)):
                self._states[key] = ImageState(State.PENDING, f"the engine lost the image {ref}")
                self._lost.set()
        self._run_images = {
            name: image for name, image in self._run_images.items() if image.ref != ref
        }

    def _unready(self) -> list[_Entry]:
        return [
            entry for entry in self._entries if self._states[entry.key].state is not State.READY
        ]

    async def _find(self, entry: _Entry) -> None:
        try:
            image = await self._builder.find(plan_of_version(entry.language, entry.version))
            run = await self._find_run_image(entry.version.run_image, image)
        except (EngineError, ImageError, OSError) as failure:
            self._fail(entry, failure)
            return
        if image and run:
            self._set_ready(entry, image, run)

    async def _find_run_image(
        self, name: str | None, own: SandboxImage | None
    ) -> SandboxImage | None:
        if name is None:
            return own
        if name not in self._run_images:
            found = await self._builder.find(plan_of_run_image(name, self._paths))
            if found is None:
                return None
            self._run_images[name] = found
        return self._run_images[name]

    async def _make(self, entry: _Entry) -> None:
        self._states[entry.key] = ImageState(State.BUILDING)
        try:
            image = await self._find_or_make(plan_of_version(entry.language, entry.version))
            run = await self._make_run_image(entry.version.run_image, image)
        except (EngineError, ImageError, OSError) as failure:
            self._fail(entry, failure)
        else:
            self._set_ready(entry, image, run)

    async def _make_run_image(self, name: str | None, own: SandboxImage) -> SandboxImage:
        if name is None:
            return own
        if name not in self._run_images:
            self._run_images[name] = await self._find_or_make(plan_of_run_image(name, self._paths))
        return self._run_images[name]

    async def _find_or_make(self, plan: ImagePlan) -> SandboxImage:
        found = await self._builder.find(plan)
        return found or await self._builder.make(plan)

    def _fail(self, entry: _Entry, failure: Exception) -> None:
        self._unreachable = isinstance(failure, EngineError) and not failure.status
        self._states[entry.key] = ImageState(State.FAILED, str(failure))

    def _postpone(self) -> None:
        """An engine that does not answer is no fault of an image: all of them wait for it."""
        for entry in self._unready():
            self._states[entry.key] = ImageState(State.PENDING, _NO_ENGINE)

    def _set_ready(self, entry: _Entry, image: SandboxImage, run: SandboxImage) -> None:
        compile_in = image if entry.language.compile else None
        self._states[entry.key] = ImageState(State.READY, "", image, run, compile_in)
        self._settled.set()


async def _wait_at_most(event: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        # The pause is over: this is how it normally ends.
        return
