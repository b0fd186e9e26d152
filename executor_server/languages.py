"""Languages are data: each folder with a ``language.toml`` becomes one frozen value, read once.

Nothing in code knows a language by name. ``language_file`` says what a file may hold; this module
has the values that the other layers work with, and finds one by name or alias.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from executor_server.model import Program

PLACEHOLDERS = ("{cpus}", "{memory_mb}")

# ${name} is a shell's own.
_PLACEHOLDER = re.compile(r"(?<!\$)\{(cpus|memory_mb)\}")
_NONE: Mapping[str, str] = MappingProxyType({})


class LanguageFileError(ValueError):
    """A language's data cannot be used; the message names the file, the key and what is allowed."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """What a runtime that sizes itself must know of its sandbox."""

    cpus: float
    """Cores."""
    memory_mb: int
    """Memory limit in MiB."""

    def fill(self, text: str) -> str:
        """Replace ``{cpus}`` (whole cores, at least 1) and ``{memory_mb}`` by the values."""
        values = {"cpus": str(max(1, int(self.cpus))), "memory_mb": str(self.memory_mb)}
        return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


@dataclass(frozen=True, slots=True)
class WaitingCommand:
    """A runtime of the language that is started ahead and becomes the program when that is known."""

    command: tuple[str, ...]
    """What is started ahead, for example ``("python3", "/.code-executor/wait.py")``."""
    cold_env: tuple[str, ...]
    """Patterns of variables that the runtime reads at its start: a request that sets one starts afresh."""
    memory_mb: int
    """What it holds while it waits, in MiB: the pool counts it."""
    cold_code: str
    """Regular expression of source that must start afresh; empty: none."""

    def must_start_cold(self, program: Program) -> bool:
        """This program could tell that its runtime had waited."""
        names = program.env.keys()
        if any(fnmatchcase(name, pattern) for name in names for pattern in self.cold_env):
            return True
        if not self.cold_code:
            return False
        source = re.compile(self.cold_code.encode(), re.MULTILINE)
        return any(source.search(file.content) for file in program.sources())


@dataclass(frozen=True, slots=True)
class StageCommand:
    """The command of a stage; placeholders in arguments and environment are not yet filled in."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    """Beside the minimal environment of the service, which it overrides."""
    pids: int
    """Processes and threads."""
    waiting: WaitingCommand | None

    def argv(self, sizing: Sizing, args: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The command for a sandbox of this size; ``args`` are the request's, as they are."""
        return (*(sizing.fill(part) for part in self.command), *args)

    def environment(self, sizing: Sizing) -> dict[str, str]:
        """The language's own environment for a sandbox of this size."""
        return {key: sizing.fill(value) for key, value in self.env.items()}


@dataclass(frozen=True, slots=True)
class CompileStage(StageCommand):
    """How source becomes an artifact, and within which limits: a compiler needs more than most."""

    artifact: tuple[str, ...]
    """Paths in the working directory that go on to the run."""
    timeout_seconds: float
    memory_limit_mb: int
    cpu_limit: float
    box_mb: int
    """Size of the working directory's tmpfs in MiB."""
    tmp_mb: int
    """Size of /tmp in MiB."""


@dataclass(frozen=True, slots=True)
class RunStage(StageCommand):
    """How a program is started; its limits are the request's."""

    image: str | None = None
    """Folder beside the languages whose recipe makes the image to run in; None: its own."""


@dataclass(frozen=True, slots=True)
class LanguageVersion:
    """One installed version: its image is made by a recipe of the folder, or is a ready image."""

    version: str
    """What is promised before the image is there, for example ``"3.13"``."""
    recipe: str | None
    """Dockerfile in the language's folder."""
    image: str | None
    """Reference of a ready image, for example ``"python:3.11-alpine"``."""
    version_command: tuple[str, ...]
    """Prints the real full version as its first line."""
    compile: CompileStage | None
    """The language's, with the command of this version where it needs another one."""
    run: RunStage
    run_image: str | None
    """Folder of the run image; None: the version's own. A ready image runs its artifacts in itself,
    since they may be of another libc or release."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language."""

    name: str
    aliases: tuple[str, ...]
    order: int
    """Images of a lower order are made first."""
    file_name: str
    """Name of ``code`` in the working directory."""
    example_file: str
    """Name of the example in the folder."""
    example: str
    """Source of a program that prints ``example_output``."""
    example_output: str
    support: tuple[str, ...]
    """Files of the folder that the sandbox image holds in ``/.code-executor``."""
    compile: CompileStage | None
    """Of every version that says nothing else; so is ``run``."""
    run: RunStage
    versions: tuple[LanguageVersion, ...]
    """The default first."""
    folder: Path = field(compare=False)

    def select(self, version: str, real: Mapping[str, str] = _NONE) -> LanguageVersion | None:
        """The first version that ``version`` is a prefix of, component by component.

        ``""`` selects the default, ``"3"`` and ``"3.13"`` select 3.13.5; ``"3.1"`` does not.
        ``real`` maps promised versions to real ones, where those are known.
        """
        for candidate in self.versions:
            if _is_prefix(version, real.get(candidate.version, candidate.version)):
                return candidate
        return None


def _is_prefix(wanted: str, version: str) -> bool:
    if not wanted:
        return True
    components = wanted.split(".")
    return version.split(".")[: len(components)] == components


class Languages:
    """All languages, in the order in which their images are made."""

    __slots__ = ("_by_name", "_languages")

    def __init__(self, languages: tuple[Language, ...]) -> None:
        """Raise LanguageFileError where two languages claim one name or alias."""
        self._languages = tuple(
            sorted(languages, key=lambda language: (language.order, language.name))
        )
        self._by_name: dict[str, Language] = {}
        for language in self._languages:
            for name in (language.name, *language.aliases):
                self._claim(name.casefold(), language)

    def _claim(self, name: str, language: Language) -> None:
        holder = self._by_name.setdefault(name, language)
        if holder is not language:
            raise LanguageFileError(
                f"{language.folder / 'language.toml'}: {name!r} already names the language "
                f"{holder.name!r} in {holder.folder}; names and aliases must differ"
            )

    def find(self, name: str) -> Language | None:
        """The language of this name or alias, in any case; None for an unknown one."""
        return self._by_name.get(name.casefold())

    def __iter__(self) -> Iterator[Language]:
        """All languages, lowest order first."""
        return iter(self._languages)

    def __len__(self) -> int:
        """How many languages there are."""
        return len(self._languages)
