"""Artifacts of compilations on disk: bounded, the least recently used goes first.

An entry belongs to the caller that made it, unless the operator shares the cache: the time of an answer
would otherwise tell one caller what another has compiled. It is named by everything that decides what the
compiler makes, and holds the digest of its own content, so that a file that was damaged or put there by
somebody else is no entry.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from executor_server.model import Cause, CommandResult, InputFile, MeasuredBy, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from executor_server.model import Caller, Command, SandboxSpec

_SUFFIX = ".artifact"
_PART_SUFFIX = ".part"
_PART_SECONDS = 3600.0
_DIGEST_BYTES = 32
_LENGTH_BYTES = 8
# Part of every key: entries of another layout are never found.
_LAYOUT = 2


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a compile stage that succeeded has made."""

    stage: Stage
    artifact: tuple[InputFile, ...]


class CompileCache:
    """Finds and keeps artifacts. A cache that cannot be read or written is a slower service, no error."""

    def __init__(self, folder: Path, limit_bytes: int, *, shared: bool) -> None:
        """``limit_bytes`` 0 keeps nothing; ``shared`` lets callers have each other's artifacts."""
        self._folder = folder
        self._limit = limit_bytes
        self._shared = shared
        self._sizes: dict[Path, int] = {}
        """Every entry, the least recently used first."""

    def open(self) -> str:
        """Make the folder, for this user alone, and take stock.

        Returns why it cannot be used, empty where it can: nothing is kept then.
        """
        if not self._limit:
            return ""
        try:
            self._take_stock()
        except OSError as failure:
            self._limit = 0
            return f"the compile cache is off: {failure}"
        return ""

    def _take_stock(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self._folder.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise PermissionError(
                f"{self._folder}: expected a folder of this user that nobody else may write to"
            )
        for part in self._folder.glob(f"*{_PART_SUFFIX}"):
            # Of a server that was killed while it wrote; a young one may be another server's.
            if time.time() - part.stat().st_mtime > _PART_SECONDS:
                part.unlink(missing_ok=True)
        found = [(path, path.stat()) for path in self._folder.glob(f"*{_SUFFIX}")]
        found.sort(key=lambda entry: entry[1].st_mtime)
        self._sizes = {path: entry.st_size for path, entry in found}
        self._shrink()

    def key(
        self, caller: Caller, images: Sequence[str], spec: SandboxSpec, command: Command
    ) -> str:
        """Name of the artifact of this command, for this caller.

        ``images``: digests of those that it is compiled and run in. A reference alone stands for a recipe,
        whose image may hold a newer compiler after it was made again.
        """
        digest = hashlib.sha256()
        for part in self._parts(caller, images, spec, command):
            digest.update(len(part).to_bytes(_LENGTH_BYTES, "little") + part)
        return digest.hexdigest()

    async def find(self, key: str) -> Compiled | None:
        """The artifact of this name, if it is there and whole."""
        path = self._path(key)
        if path not in self._sizes:
            return None
        try:
            compiled = await asyncio.to_thread(_read, path)
        except FileNotFoundError:
            # It is being written, or another server let it go.
            return None
        size = self._sizes.pop(path, None)
        if compiled is None or size is None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(path.unlink, missing_ok=True)
            return None
        self._sizes[path] = size
        return compiled

    async def keep(self, key: str, compiled: Compiled) -> None:
        """Store it and let older ones go. One that is larger than the whole cache is not stored."""
        data = _encode(compiled)
        if len(data) > self._limit:
            return
        path = self._path(key)
        # Counted before it is there: it is written to its end also where the one who asked is cancelled.
        self._count(path, len(data))
        try:
            await asyncio.to_thread(_write, path, data)
        except OSError:
            # A full disk costs the next compilation its shortcut, nothing else.
            self._sizes.pop(path, None)

    def _count(self, path: Path, size: int) -> None:
        self._sizes.pop(path, None)
        self._sizes[path] = size
        self._shrink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"

    def _parts(
        self, caller: Caller, images: Sequence[str], spec: SandboxSpec, command: Command
    ) -> Iterator[bytes]:
        yield b"%d" % _LAYOUT
        yield b"" if self._shared else caller.name.encode()
        yield repr(spec).encode()
        yield from _counted(digest.encode() for digest in images)
        yield from _counted(part.encode() for part in command.argv)
        yield from _counted(f"{k}={v}".encode() for k, v in sorted(command.env.items()))
        yield from _counted(part.encode() for part in command.collect)
        for file in command.files:
            yield from (file.path.encode(), file.content, b"%d" % file.executable)

    def _shrink(self) -> None:
        while self._sizes and sum(self._sizes.values()) > self._limit:
            path = next(iter(self._sizes))
            del self._sizes[path]
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _counted(parts: Iterable[bytes]) -> Iterator[bytes]:
    listed = list(parts)
    yield b"%d" % len(listed)
    yield from listed


def _write(path: Path, data: bytes) -> None:
    """Complete or not at all, whatever happens in between."""
    part = path.with_suffix(f".{secrets.token_hex(8)}{_PART_SUFFIX}")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _read(path: Path) -> Compiled | None:
    """None for what is no whole entry. Raises FileNotFoundError."""
    try:
        data = path.read_bytes()
        os.utime(path)
        return _decode(data)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _encode(compiled: Compiled) -> bytes:
    stage = compiled.stage
    head = orjson.dumps(
        {
            "status": stage.status.name,
            "result": asdict(stage.result),
            "output": [len(stage.stdout), len(stage.stderr)],
            "files": [[f.path, len(f.content), f.executable] for f in compiled.artifact],
        }
    )
    blobs = (stage.stdout, stage.stderr, *(file.content for file in compiled.artifact))
    body = len(head).to_bytes(_LENGTH_BYTES, "little") + head + b"".join(blobs)
    return hashlib.sha256(body).digest() + body


def _decode(data: bytes) -> Compiled:
    digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("the entry is damaged")
    end = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "little")
    head: dict[str, Any] = orjson.loads(body[_LENGTH_BYTES:end])
    cut = _Cutter(body, end)
    stdout, stderr = (cut.take(size) for size in head["output"])
    files = tuple(InputFile(path, cut.take(size), flag) for path, size, flag in head["files"])
    return Compiled(Stage(Status[head["status"]], _result(head["result"]), stdout, stderr), files)


def _result(values: dict[str, Any]) -> CommandResult:
    cause, measured_by = Cause(values["cause"]), MeasuredBy(values["measured_by"])
    return CommandResult(**values | {"cause": cause, "measured_by": measured_by})


@dataclass(slots=True)
class _Cutter:
    """Cuts a body into its parts, one after the other."""

    body: bytes
    at: int

    def take(self, size: int) -> bytes:
        piece = self.body[self.at : self.at + size]
        self.at += size
        return piece
