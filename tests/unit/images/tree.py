"""Folders of languages and of an agent, made by a test and changed by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from executor_server.image_values import ImagePaths, ImageState
from executor_server.images import ImageStore
from executor_server.language_file import load_languages
from tests.unit.images.engine import MemoryEngine, Progress

BASE = "debian:trixie-slim"
RECIPE = "ARG BASE\nFROM ${BASE}\n"


def language_file(name: str, order: int, compiled: bool = False, versions: str = "") -> str:
    stage = """
[compile]
command = ["compile"]
artifact = ["program"]
timeout_seconds = 10.0
memory_limit_mb = 256
cpu_limit = 1.0
box_mb = 32
tmp_mb = 16
pids = 4
"""
    recipe = f"""
[[versions]]
recipe = "Dockerfile"
version = "3.1"
version_command = ["{name}"]
"""
    return f"""
name = "{name}"
order = {order}
file_name = "main"
example = "example"
example_output = "Hello"
support = ["helper"]
{stage if compiled else ""}
[run]
command = ["run"]
pids = 4
{'image = "run"' if compiled else ""}
{versions or recipe}
"""


def ready_version(version: str, image: str) -> str:
    return f"""
[[versions]]
image = "{image}"
version = "{version}"
version_command = ["ready"]
"""


class Tree:
    """Folders of languages and of an agent, to be changed by a test."""

    def __init__(self, folder: Path) -> None:
        self.languages = folder / "languages"
        self.agent = folder / "agent"
        for path in (self.languages / "run", self.languages / "base", self.agent / "src"):
            path.mkdir(parents=True)
        (self.languages / "run" / "Dockerfile").write_text(RECIPE)
        (self.agent / "Dockerfile").write_text("FROM scratch")
        (self.agent / "src" / "main.c").write_text("int main(void) { return 0; }")
        self.bootstrap = self.languages / "base" / "bootstrap.sh"
        self.bootstrap.write_text("#!/bin/sh\nexit 9\n")
        self.bootstrap.chmod(0o755)

    def add(self, name: str, text: str) -> None:
        folder = self.languages / name
        folder.mkdir()
        (folder / "language.toml").write_text(text)
        (folder / "Dockerfile").write_text(RECIPE)
        (folder / "example").write_text("example")
        (folder / "helper").write_text(f"helper of {name}")

    def store(
        self,
        engine: MemoryEngine,
        progress: Progress | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> ImageStore:
        paths = ImagePaths(self.languages, self.agent)
        languages = load_languages(self.languages)
        return ImageStore(engine, languages, paths, progress or Progress(), environ or {})

    def states(self, store: ImageStore) -> dict[str, ImageState]:
        return {
            f"{language.name} {version.version}": store.state(language, version)
            for language in load_languages(self.languages)
            for version in language.versions
        }
