"""The programs of each language: its own folder's example, and programs/<language>.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent / "programs"
LANGUAGES = Path(__file__).parents[2] / "languages"
EXAMPLE = "example"


@dataclass(frozen=True)
class Spoken:
    """One language: its programs, and what its compiler or runtime says."""

    name: str
    compiled: bool
    example_output: str
    programs: Mapping[str, str]
    says: Mapping[str, str]
    """Words on stderr by the program that makes them appear."""


def languages() -> dict[str, Spoken]:
    """Every language that has a folder; one without programs here is an error."""
    folders = sorted(path.parent for path in LANGUAGES.glob("*/language.toml"))
    return {folder.name: _read(folder) for folder in folders}


def _read(folder: Path) -> Spoken:
    language = tomllib.loads((folder / "language.toml").read_text("utf-8"))
    path = HERE / f"{folder.name}.toml"
    assert path.is_file(), f"the language {folder.name} has no programs for the tests: {path.name}"
    own = tomllib.loads(path.read_text("utf-8"))
    example = (folder / language["example"]).read_text("utf-8")
    return Spoken(
        name=language["name"],
        compiled="compile" in language,
        example_output=language["example_output"],
        programs={EXAMPLE: example, **own["programs"]},
        says=own["says"],
    )
