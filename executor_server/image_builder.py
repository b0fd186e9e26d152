"""Makes sandbox images: a source image (a recipe's, or a ready one) with the agent laid on top.

Every image is named by the hash of all that goes into it, so what the engine has under a name is
right, and a second start builds, pulls and runs nothing.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor_server.base_image import BASE_REF, Base, BaseImage
from executor_server.build_context import (
    NAME_DIGITS,
    BuildContext,
    agent_context,
    content_digest,
    files_context,
    recipe_context,
)
from executor_server.engine.images import BuildRequest, ImageFacts
from executor_server.errors import EngineError
from executor_server.image_values import ImageError, ImageProgress, SandboxImage, Step

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from executor_server.image_values import ImageEngine, ImageObserver, ImagePaths
    from executor_server.languages import Language, LanguageVersion

AGENT_FOLDER = "/.code-executor"
VERSION_LABEL = "code-executor.version"
SOURCE_LABEL = "code-executor.image"

_RECIPE = "Dockerfile"
_PULL_SILENCE_SECONDS = 60.0
# What was made: its reference and what the engine knows of it.
_Made = tuple[str, ImageFacts]
_REAL_VERSION = re.compile(r"[0-9][0-9A-Za-z.+~_-]{0,63}")


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """A sandbox image, before anybody asked the engine for it."""

    title: str
    """For people."""
    repository: str
    """Name of the sandbox image, without the tag."""
    tag: str
    """Beginning of the tag."""
    ready_image: str | None
    context: BuildContext | None
    """Of the recipe; None for a ready image."""
    recipe: str | None
    support: Mapping[str, bytes]
    """Files that are laid beside the agent."""
    version: str
    """Promised; empty for a shared run image."""
    version_command: tuple[str, ...]


def plan_of_version(language: Language, version: LanguageVersion) -> ImagePlan:
    """The version's own image."""
    return ImagePlan(
        title=f"{language.name} {version.version}",
        repository=f"code-executor/{language.name}",
        tag=f"{version.version}-",
        ready_image=version.image,
        context=_recipe_context(language, version),
        recipe=version.recipe,
        support={name: (language.folder / name).read_bytes() for name in language.support},
        version=version.version,
        version_command=version.version_command,
    )


def plan_of_run_image(name: str, paths: ImagePaths) -> ImagePlan:
    """A run image that several languages share."""
    return ImagePlan(
        title=name,
        repository=f"code-executor/{name}",
        tag="",
        ready_image=None,
        context=recipe_context(paths.languages / name),
        recipe=_RECIPE,
        support={},
        version="",
        version_command=(),
    )


def _recipe_context(language: Language, version: LanguageVersion) -> BuildContext | None:
    """The folder without what this version's recipe cannot want: a change there builds nothing."""
    if version.recipe is None:
        return None
    recipes = {entry.recipe for entry in language.versions if entry.recipe}
    return recipe_context(language.folder, {language.example_file, *recipes} - {version.recipe})


class ImageBuilder:
    """Finds sandbox images on the engine, and makes those that are missing."""

    def __init__(
        self,
        engine: ImageEngine,
        paths: ImagePaths,
        observer: ImageObserver,
        environ: Mapping[str, str],
    ) -> None:
        """``environ`` is where the host's proxies are named."""
        self._engine = engine
        self._observer = observer
        self._base = BaseImage(engine, paths.languages / "base" / "bootstrap.sh", environ)
        self._agent = agent_context(paths.agent)

    @property
    def agent_build_id(self) -> str:
        """Names exactly these sources of the agent; the agent says it in its first frame."""
        return self._agent.digest[:NAME_DIGITS]

    async def find(self, plan: ImagePlan) -> SandboxImage | None:
        """The image, where the engine has everything that it is made from and itself."""
        source_id = await self._find_source_id(plan)
        if source_id is None:
            return None
        ref = self._ref(plan, source_id)
        facts = await self._engine.inspect(ref)
        return None if facts is None else _sandbox_image(ref, facts)

    async def make(self, plan: ImagePlan) -> SandboxImage:
        """Make the image and what it is made from. Raises ImageError and EngineError."""
        base = await self._make_base()
        agent = await self._make_agent(base)
        made = await self._visibly(plan.title, self._make(plan, base, agent))
        return _sandbox_image(*made)

    async def _make(self, plan: ImagePlan, base: Base, agent: str) -> _Made:
        source_ref, source_id = await self._make_source(plan, base)
        version = await self._real_version(plan, source_ref)
        ref = self._ref(plan, source_id)
        await self._engine.build(_layer(plan, ref, source_ref, agent, version))
        return await self._made(ref)

    async def _made(self, ref: str) -> _Made:
        facts = await self._engine.inspect(ref)
        if facts is None:
            raise ImageError(f"the engine built {ref} and does not have it; look at its log")
        return ref, facts

    async def _visibly(self, title: str, work: Coroutine[Any, Any, _Made]) -> _Made:
        """Tell the observer when the work begins and how it ends."""
        began = time.monotonic()
        tell = self._observer.image_progress
        tell(ImageProgress(title, Step.STARTED))
        try:
            made = await work
        except (EngineError, ImageError, OSError) as failure:
            tell(ImageProgress(title, Step.FAILED, time.monotonic() - began, 0, str(failure)))
            raise
        size = made[1].size_bytes
        tell(ImageProgress(title, Step.READY, time.monotonic() - began, size))
        return made

    async def _make_base(self) -> Base:
        found = await self._base.find()
        if found is None:
            await self._visibly(BASE_REF, self._fetch_base())
            found = await self._base.find()
        if found is None:
            raise ImageError(f"the engine lost {BASE_REF} while it was made; try again")
        return found

    async def _fetch_base(self) -> _Made:
        await self._base.make()
        return await self._made(BASE_REF)

    async def _find_source_id(self, plan: ImagePlan) -> str | None:
        """What the source is made from, as a digest, without making or fetching anything."""
        if plan.ready_image is not None:
            facts = await self._engine.inspect(plan.ready_image)
            return facts.id if facts else None
        base = await self._base.find()
        return None if base is None else _recipe_digest(plan, base)

    def _ref(self, plan: ImagePlan, source_id: str) -> str:
        layer = files_context(plan.support).digest
        command = list(plan.version_command)
        digest = content_digest(_LAYER_RECIPE, source_id, self._agent.digest, layer, command)
        return f"{plan.repository}:{plan.tag}{digest[:NAME_DIGITS]}"

    async def _make_agent(self, base: Base) -> str:
        ref = f"code-executor/agent:{self.agent_build_id}"
        if await self._engine.inspect(ref) is None:
            args = {"BUILD_ID": self.agent_build_id}
            await self._visibly("agent", self._build(ref, self._agent, _RECIPE, base, args))
        return ref

    async def _make_source(self, plan: ImagePlan, base: Base) -> tuple[str, str]:
        """Reference of the source image, and the digest that stands for it in names."""
        if plan.ready_image is not None:
            return plan.ready_image, await self._fetch_ready(plan.ready_image)
        if plan.context is None or plan.recipe is None:
            raise ImageError(f"{plan.title} has neither a recipe nor a ready image")
        digest = _recipe_digest(plan, base)
        kind = f"-{plan.version}-base" if plan.version else "-base"
        ref = f"{plan.repository}{kind}:{digest[:NAME_DIGITS]}"
        if await self._engine.inspect(ref) is None:
            await self._build(ref, plan.context, plan.recipe, base, {})
        return ref, digest

    async def _fetch_ready(self, ref: str) -> str:
        facts = await self._engine.inspect(ref)
        if facts is None:
            await self._pull(ref)
            facts = await self._engine.inspect(ref)
        if facts is None:
            raise ImageError(f"the engine pulled {ref} and does not have it; look at its log")
        _refuse_unsafe(ref, facts)
        return facts.id

    async def _pull(self, ref: str) -> None:
        try:
            await self._engine.pull(ref, _PULL_SILENCE_SECONDS)
        except (EngineError, ImageError) as failure:
            raise ImageError(
                f"the image {ref} is not on the engine and could not be pulled ({failure}); "
                "let the engine reach a registry, or load the image with 'docker load'"
            ) from failure

    async def _build(
        self, ref: str, context: BuildContext, recipe: str, base: Base, args: Mapping[str, str]
    ) -> _Made:
        every = {"BASE": base.ref, **await self._base.build_args(), **args}
        await self._engine.build(BuildRequest(ref, context.tar, recipe, every, {}))
        return await self._made(ref)

    async def _real_version(self, plan: ImagePlan, source_ref: str) -> str:
        if not plan.version_command:
            return ""
        real = await self._engine.first_line(source_ref, plan.version_command)
        if not _REAL_VERSION.fullmatch(real):
            raise ImageError(
                f"version_command of {plan.title} printed {real!r}; expected a version"
            )
        if not f"{real}.".startswith(f"{plan.version}."):
            raise ImageError(
                f"{plan.title} promises version {plan.version}, but {source_ref} has {real}; "
                "mend the version or the image in language.toml"
            )
        return real


# The agent keeps its mode, 0111: no program can read it. COPY makes root the owner of all of this,
# also where the source image names another user.
_LAYER_RECIPE = """\
FROM {agent} AS agent
FROM {source}
COPY support/ {folder}/
COPY box/ /box/
COPY --from=agent /agent {folder}/agent
"""


def _layer(plan: ImagePlan, ref: str, source_ref: str, agent: str, version: str) -> BuildRequest:
    recipe = _LAYER_RECIPE.format(agent=agent, source=source_ref, folder=AGENT_FOLDER)
    # An image may lack a shell to make folders with, so they are copied in empty.
    files: dict[str, bytes | None] = {"box": None, "support": None, _RECIPE: recipe.encode()}
    files |= {f"support/{name}": content for name, content in plan.support.items()}
    labels = {VERSION_LABEL: version, SOURCE_LABEL: source_ref}
    return BuildRequest(ref, files_context(files).tar, _RECIPE, {}, labels)


def _recipe_digest(plan: ImagePlan, base: Base) -> str:
    context = plan.context.digest if plan.context else ""
    return content_digest(plan.recipe, context, base.id)


def _refuse_unsafe(ref: str, facts: ImageFacts) -> None:
    """Some images bring more than files, and no layer on top can take that away."""
    if facts.volumes:
        raise ImageError(
            f"the image {ref} declares the volumes {', '.join(facts.volumes)}: programs could fill "
            "the host's disk through them; use an image without VOLUME"
        )
    if facts.triggers:
        raise ImageError(
            f"the image {ref} forces build steps (ONBUILD) on images made from it; "
            "use one without them"
        )


def _sandbox_image(ref: str, facts: ImageFacts) -> SandboxImage:
    return SandboxImage(
        ref=ref,
        digest=facts.id,
        size_bytes=facts.size_bytes,
        version=facts.labels.get(VERSION_LABEL, ""),
        env=facts.env,
    )
