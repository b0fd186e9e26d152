"""What is sent to the engine to build from: files as a tar, the same bytes for the same files.

The digest of those bytes is part of an image's name, so an image that is there is one that fits.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

NAME_DIGITS = 12
"""Hexadecimal digits of a digest in an image's name."""

_IGNORED_PARTS = frozenset({"tests", "fuzz", "build", "__pycache__"})
_AGENT_SUFFIXES = frozenset({".c", ".h", ".S"})
_AGENT_NAMES = frozenset({"Dockerfile", "Makefile"})
# These describe the language to the service; no recipe copies them, so a new limit builds no image.
_LANGUAGE_FILE = "language.toml"


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Files by name, in the form in which the engine takes them."""

    tar: bytes
    digest: str
    """SHA-256 of ``tar`` in hexadecimal."""


def content_digest(*parts: object) -> str:
    """Digest of values that JSON can hold, for a name."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def agent_context(folder: Path) -> BuildContext:
    """Sources and recipe of the agent; its tests and notes do not change what is built."""
    return _folder_context(
        folder, lambda path: path.suffix in _AGENT_SUFFIXES or path.name in _AGENT_NAMES
    )


def recipe_context(folder: Path, leave_out: Iterable[str] = ()) -> BuildContext:
    """A language's folder, without what only the service reads."""
    unwanted = {_LANGUAGE_FILE, *leave_out}
    return _folder_context(folder, lambda path: path.name not in unwanted)


def files_context(files: Mapping[str, bytes | None]) -> BuildContext:
    """Files by name, all executable; None makes an empty folder."""
    return _context((name, content, True) for name, content in sorted(files.items()))


def _folder_context(folder: Path, wanted: Callable[[Path], bool]) -> BuildContext:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return _context(
        (path.relative_to(folder).as_posix(), path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in paths
        if wanted(path) and not _IGNORED_PARTS.intersection(path.relative_to(folder).parts)
    )


def _context(entries: Iterable[tuple[str, bytes | None, bool]]) -> BuildContext:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content, executable in entries:
            tar.addfile(_member(name, content, executable), io.BytesIO(content or b""))
    data = buffer.getvalue()
    return BuildContext(data, hashlib.sha256(data).hexdigest())


def _member(name: str, content: bytes | None, executable: bool) -> tarfile.TarInfo:
    """A member that is the same on every machine: owner, time and umask do not show."""
    member = tarfile.TarInfo(name)
    member.mode = 0o755 if executable or content is None else 0o644
    member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    member.size = len(content or b"")
    return member
