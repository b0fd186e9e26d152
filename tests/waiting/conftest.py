"""The images of the languages that have a waiting process, each with a container for observations."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from executor_server.engine.client import EngineAddress, EngineClient
from executor_server.engine.images import EngineImages
from executor_server.image_builder import ImageBuilder, plan_of_version
from executor_server.image_values import ImagePaths, SandboxImage
from executor_server.language_file import load_language
from executor_server.languages import Language
from executor_server.observer import Observer
from executor_server.settings import Settings, host_environment
from tests.engine import Engine
from tests.waiting.sandbox import Container

ROOT = Path(__file__).parents[2]
HARNESS = Path(__file__).with_name("harness.c")

Containers = Callable[[str], Container]


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that plays the agent's part, for any image."""
    binary = tmp_path_factory.mktemp("harness") / "harness"
    flags = ["-std=c17", "-O1", "-Wall", "-Wextra", "-Werror", "-static"]
    subprocess.run(["musl-gcc", *flags, "-o", binary, HARNESS], check=True)
    return binary


@pytest.fixture(scope="session")
def container(engine: Engine, harness: Path) -> Iterator[Containers]:
    """The container of a language, made when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def of_language(name: str) -> Container:
            language = load_language(ROOT / "languages" / name)
            made = Container(language, asyncio.run(_image(language)), harness)
            stack.callback(made.remove)
            return made

        yield of_language


async def _image(language: Language) -> SandboxImage:
    """The image of the default version, made where it is missing."""
    settings, observer = Settings(), Observer()
    client = EngineClient(EngineAddress(settings.docker_host, None), observer)
    paths = ImagePaths(settings.languages_dir, settings.agent_dir)
    try:
        builder = ImageBuilder(EngineImages(client), paths, observer, host_environment())
        wanted = plan_of_version(language, language.versions[0])
        return await builder.find(wanted) or await builder.make(wanted)
    finally:
        await client.close()
