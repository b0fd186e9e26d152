"""Artifacts that are kept: whose they are, what they depend on, and that a damaged one is none."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executor_server.compile_cache import CompileCache, Compiled
from executor_server.model import Caller, Cause, InputFile, Stage, Status
from tests.unit.values import a_command, a_result, a_spec

MIB = 2**20
ALICE, BOB = Caller("alice", "grpc"), Caller("bob", "grpc")
SOURCE = InputFile("main.c", b"int main;")


def compiled(size: int = 10) -> Compiled:
    stage = Stage(Status.OK, a_result(cause=Cause.EXITED, cpu_seconds=None), b"out", b"a warning")
    return Compiled(stage, (InputFile("program", b"\0\xff" * (size // 2), True),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def sizes(folder: Path) -> list[int] | None:
    """Bytes of every entry; None where there is no folder."""
    return [entry.stat().st_size for entry in folder.iterdir()] if folder.exists() else None


def spoil(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the one entry behind the cache's back."""
    (entry,) = folder.iterdir()
    entry.write_bytes(change(entry.read_bytes()))


def empty(folder: Path) -> None:
    """Let everything go, as another server on the same folder may."""
    for entry in folder.iterdir():
        entry.unlink()


def open_to_all(folder: Path) -> None:
    """A folder that somebody else could put entries into."""
    folder.mkdir()
    folder.chmod(0o777)


Open = Callable[..., CompileCache]


@pytest.fixture
def opened(folder: Path) -> Open:
    """Open the cache in the folder, as a start of the server does."""

    def begin(limit: int = MIB, *, shared: bool = False) -> CompileCache:
        cache = CompileCache(folder, limit, shared=shared)
        assert cache.open() == ""
        return cache

    return begin


IMAGES = ("sha256:compile", "sha256:run")


def key(
    cache: CompileCache, caller: Caller = ALICE, images: tuple[str, ...] = IMAGES, **changes: Any
) -> str:
    spec = changes.pop("spec", a_spec())
    return cache.key(caller, images, spec, a_command(files=(SOURCE,), **changes))


async def test_what_is_kept_is_found_also_after_a_start(opened: Open) -> None:
    cache = opened()
    assert await cache.find(key(cache)) is None
    await cache.keep(key(cache), compiled())
    assert await cache.find(key(cache)) == compiled()
    again = opened()
    assert await again.find(key(again)) == compiled()


def test_everything_that_decides_the_artifact_is_in_its_name(opened: Open) -> None:
    cache = opened()
    names = {
        key(cache),
        key(cache, caller=BOB),
        key(cache, images=("sha256:compile", "sha256:another")),
        key(cache, images=("sha256:another", "sha256:run")),
        key(cache, spec=a_spec(image="another compiler")),
        key(cache, spec=a_spec(memory_mb=1)),
        key(cache, argv=("program", "-O2")),
        key(cache, argv=("program -O2",)),
        key(cache, env={"A": "1"}),
        key(cache, collect=("a",)),
        cache.key(ALICE, IMAGES, a_spec(), a_command(files=(InputFile("main.c", b"other"),))),
        cache.key(ALICE, IMAGES, a_spec(), a_command(files=(InputFile("b.c", SOURCE.content),))),
        cache.key(ALICE, IMAGES, a_spec(), a_command(files=(SOURCE, SOURCE))),
        cache.key(ALICE, IMAGES, a_spec(), a_command(files=())),
    }
    assert len(names) == 14
    assert key(cache) == key(opened())


async def test_callers_share_only_where_the_operator_says_so(opened: Open) -> None:
    own, shared = opened(), opened(shared=True)
    assert key(own) != key(own, caller=BOB)
    assert key(shared) == key(shared, caller=BOB)


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 500])
async def test_a_damaged_entry_is_none_and_goes(damage: bytes, opened: Open, folder: Path) -> None:
    cache = opened()
    await cache.keep(key(cache), compiled())
    spoil(folder, lambda _: damage)
    assert await cache.find(key(cache)) is None
    assert sizes(folder) == []


async def test_one_flipped_bit_is_damage(opened: Open, folder: Path) -> None:
    cache = opened()
    await cache.keep(key(cache), compiled())
    spoil(folder, lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]))
    assert await cache.find(key(cache)) is None


async def test_the_least_recently_used_goes_first(opened: Open, folder: Path) -> None:
    cache = opened(limit=3500)
    names = [key(cache, argv=(str(number),)) for number in range(4)]
    for name in names[:3]:
        await cache.keep(name, compiled(700))
    assert await cache.find(names[0])
    await cache.keep(names[3], compiled(700))
    found = [await cache.find(name) is not None for name in names]
    assert found == [True, False, True, True]
    assert sum(sizes(folder) or ()) <= 3500


async def test_a_smaller_limit_is_kept_at_the_next_start(opened: Open, folder: Path) -> None:
    cache = opened()
    for number in range(4):
        await cache.keep(key(cache, argv=(str(number),)), compiled(700))
    opened(limit=2500)
    assert 0 < sum(sizes(folder) or ()) <= 2500


async def test_one_larger_than_the_cache_is_not_kept(opened: Open, folder: Path) -> None:
    cache = opened(limit=500)
    await cache.keep(key(cache), compiled(1000))
    assert await cache.find(key(cache)) is None
    assert sizes(folder) == []


async def test_no_cache_keeps_nothing_and_makes_no_folder(folder: Path) -> None:
    cache = CompileCache(folder, 0, shared=False)
    assert cache.open() == ""
    await cache.keep(key(cache), compiled())
    assert await cache.find(key(cache)) is None
    assert sizes(folder) is None


async def test_a_folder_that_others_may_write_to_is_not_used(folder: Path) -> None:
    open_to_all(folder)
    cache = CompileCache(folder, MIB, shared=False)
    assert "nobody else" in cache.open()
    await cache.keep(key(cache), compiled())
    assert sizes(folder) == []


def test_the_folder_is_for_this_user_alone(opened: Open, folder: Path) -> None:
    opened()
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_disk_that_takes_no_more_is_no_error(
    opened: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = opened()

    def refuse(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    await cache.keep(key(cache), compiled())
    assert await cache.find(key(cache)) is None


async def test_what_is_written_after_a_cancelled_call_counts(
    opened: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, name = opened(limit=1500), "0" * 64
    write, writing, may_write = Path.write_bytes, threading.Event(), threading.Event()

    def slowly(path: Path, data: bytes) -> int:
        writing.set()
        may_write.wait(5)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", slowly)
    keeping = asyncio.create_task(cache.keep(name, compiled(700)))
    await asyncio.to_thread(writing.wait, 5)
    assert await cache.find(name) is None  # not yet there
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    may_write.set()
    for _ in range(500):
        if await cache.find(name):
            break
        await asyncio.sleep(0.01)
    await cache.keep("1" * 64, compiled(700))
    assert await cache.find(name) is None
    assert sum(sizes(folder) or ()) <= 1500


async def test_an_entry_that_another_server_let_go_is_none(opened: Open, folder: Path) -> None:
    cache = opened()
    await cache.keep(key(cache), compiled())
    empty(folder)
    assert await cache.find(key(cache)) is None


def test_what_a_killed_server_did_not_finish_goes_once_it_is_old(
    opened: Open, folder: Path
) -> None:
    opened()
    old, young = folder / "a.1.part", folder / "b.2.part"
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    opened()
    assert list(folder.iterdir()) == [young]


async def test_a_damaged_entry_that_cannot_be_removed_is_no_error(
    opened: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = opened()
    await cache.keep(key(cache), compiled())
    spoil(folder, lambda _: b"x")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert await cache.find(key(cache)) is None
