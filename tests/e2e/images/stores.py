"""Stores of images on the real engine, and a look into what they made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from executor_server.engine.images import EngineImages
from executor_server.image_values import ImagePaths, ImageProgress, ImageState
from executor_server.images import ImageStore
from executor_server.language_file import load_languages
from executor_server.languages import Languages
from executor_server.observer import Observer
from tests.e2e.images.ready import ROOT, docker

BOOTSTRAP = ROOT / "languages" / "base" / "bootstrap.sh"
SANDBOX = ("--user=123456:123456", "--read-only", "--network=none", "--cap-drop=ALL")


class Watcher(Observer):
    """Keeps what is said of images."""

    def __init__(self) -> None:
        self.said: list[ImageProgress] = []

    def image_progress(self, progress: ImageProgress) -> None:
        self.said.append(progress)


def store_of(
    images: EngineImages,
    folder: Path,
    watcher: Watcher | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[ImageStore, Languages]:
    languages = load_languages(folder)
    paths = ImagePaths(folder, ROOT / "agent")
    return ImageStore(images, languages, paths, watcher or Watcher(), environ), languages


def states_of(store: ImageStore, languages: Languages) -> dict[str, ImageState]:
    return {
        f"{language.name} {version.version}": store.state(language, version)
        for language in languages
        for version in language.versions
    }


def in_sandbox(ref: str, *command: str) -> str:
    """What a command of the image prints, where it has no more rights than in a sandbox."""
    return docker("run", "--rm", *SANDBOX, f"--entrypoint={command[0]}", ref, *command[1:])
