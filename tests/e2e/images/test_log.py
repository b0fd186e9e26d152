"""The log of a service that makes images, for which it starts programs of the host."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.images.ready import BUSYBOX, docker
from tests.engine import Engine
from tests.service import IMAGES_SECONDS, running

# Other tests may run on the same engine at the same time.
NAMES = tuple(f"toy{secrets.token_hex(3)}" for _ in range(3))


@pytest.fixture
def folder(ready_languages: Path, tmp_path: Path) -> Iterator[Path]:
    """Three languages with recipes that nobody has built yet. Their images are removed."""
    folder = tmp_path / "languages"
    folder.mkdir()
    (folder / "base").symlink_to(ready_languages / "base")
    for name in NAMES:
        _recipe(folder / name)
    yield folder
    for name in NAMES:
        for repository in (f"code-executor/{name}", f"code-executor/{name}-1-base"):
            if found := docker("images", "--quiet", repository).split():
                subprocess.run(
                    ["docker", "rmi", "--force", *found], capture_output=True, check=False
                )


def _recipe(language: Path) -> None:
    language.mkdir()
    (language / "example.sh").write_text("echo\n")
    (language / "Dockerfile").write_text(f"FROM {BUSYBOX}\nRUN echo {language.name} > /name\n")
    (language / "language.toml").write_text(
        f"""\
name = "{language.name}"
file_name = "main.sh"
example = "example.sh"
example_output = "\\n"
[run]
command = ["sh", "main.sh"]
pids = 16
[[versions]]
recipe = "Dockerfile"
version = "1"
version_command = ["sh", "-c", "echo 1.0"]
"""
    )


def test_every_line_is_json_while_images_are_made(engine: Engine, folder: Path) -> None:
    with running(engine, f"-languages-dir={folder}") as service:
        for name in NAMES:
            service.wait_for(IMAGES_SECONDS, event="image ready", image=f"{name} 1")
    assert [line for line in service.raw if not line.startswith("{")] == []
