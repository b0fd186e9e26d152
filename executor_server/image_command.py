"""``code-executor images``: make every image that is missing, with a line for each, and exit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from executor_server.engine.client import EngineAddress, EngineClient
from executor_server.engine.images import EngineImages
from executor_server.errors import EngineError
from executor_server.image_values import ImagePaths, Step
from executor_server.images import ImageStore
from executor_server.language_file import load_languages
from executor_server.observer import Observer
from executor_server.settings import host_environment

if TYPE_CHECKING:
    from executor_server.image_values import ImageProgress
    from executor_server.settings import Settings


class _Lines(Observer):
    """Progress for people."""

    def image_progress(self, progress: ImageProgress) -> None:
        match progress.step:
            case Step.STARTED:
                line = f"{progress.name:<16} building ..."
            case Step.READY:
                megabytes = progress.size_bytes / 1e6
                line = f"{progress.name:<16} {progress.seconds:6.1f} s  {megabytes:6.0f} MB"
            case Step.FAILED:
                line = f"{progress.name:<16} FAILED: {progress.reason}"
        sys.stderr.write(line + "\n")


async def make_images(settings: Settings) -> int:
    """Exit code 0 where every image is there, 1 where one is not or no engine answers."""
    observer = _Lines()
    address = EngineAddress(settings.docker_host, settings.docker_cert_path or None)
    engine = EngineClient(address, observer)
    try:
        await engine.ping()
    except EngineError as failure:
        sys.stderr.write(f"no engine at {settings.docker_host}: {failure}\n")
        return 1
    else:
        return await _make(settings, engine, observer)
    finally:
        await engine.close()


async def _make(settings: Settings, engine: EngineClient, observer: Observer) -> int:
    paths = ImagePaths(settings.languages_dir, settings.agent_dir)
    languages = load_languages(settings.languages_dir)
    store = ImageStore(EngineImages(engine), languages, paths, observer, host_environment())
    await store.prepare()
    failures = store.failures()
    for line in failures:
        sys.stderr.write(f"not ready: {line}\n")
    return 1 if failures else 0
