"""Two languages, one interpreted and one compiled, and an engine in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.images.engine import MemoryEngine, facts_of
from tests.unit.images.tree import BASE, Tree, language_file


@pytest.fixture(autouse=True)
def _no_host_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The host that the tests run on has no say in them: it has a shell and no apt."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(programs))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.add("second", language_file("second", 2, compiled=True))
    tree.add("first", language_file("first", 1))
    return tree


@pytest.fixture
def engine() -> MemoryEngine:
    versions = {"first": "3.1.4", "second": "3.1.0", "ready": "2.7.18"}
    return MemoryEngine(images={BASE: facts_of("base")}, versions=versions)
