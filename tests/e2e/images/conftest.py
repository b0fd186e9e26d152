"""The images of the engine, and a folder of languages on ready images."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from executor_server.base_image import BaseImage
from executor_server.engine.client import DEFAULT_HOST, EngineAddress, EngineClient
from executor_server.engine.images import EngineImages
from executor_server.observer import Observer
from tests.e2e.images import ready
from tests.e2e.images.stores import BOOTSTRAP
from tests.engine import Engine


@pytest.fixture(scope="session")
async def engine_images(engine: Engine) -> AsyncIterator[EngineImages]:
    host = os.environ.get("DOCKER_HOST", DEFAULT_HOST)
    client = EngineClient(EngineAddress(host, os.environ.get("DOCKER_CERT_PATH")), Observer())
    yield EngineImages(client)
    await client.close()


@pytest.fixture(scope="session")
async def ready_languages(
    engine_images: EngineImages, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Folder with two versions of Python and the shell of busybox."""
    await BaseImage(engine_images, BOOTSTRAP, os.environ).make()
    ready.make_images()
    return ready.languages(tmp_path_factory.mktemp("ready") / "languages")
