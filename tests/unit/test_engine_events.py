"""Fates of containers, from the engine's event stream: broken streams, odd lines, late watchers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from executor_server.engine import events as events_module
from executor_server.engine.events import EngineEvents
from executor_server.errors import EngineError


def line(action: str, container: str = "one") -> bytes:
    return json.dumps({"Action": action, "Actor": {"ID": container}}).encode() + b"\n"


class FakeDocker:
    """Answers each `events` call with the next stream of lines; then it has no more to say."""

    def __init__(self, *streams: list[bytes | Exception]) -> None:
        self.streams = list(streams)
        self.asked: list[dict[str, Any]] = []

    @contextlib.asynccontextmanager
    async def _query(self, path: str, params: dict[str, str], **_: Any) -> AsyncIterator[Any]:
        assert path == "events"
        self.asked.append(json.loads(params["filters"]))
        yield self

    @property
    def content(self) -> AsyncIterator[bytes]:
        return self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        if not self.streams:
            await asyncio.Event().wait()
        for said in self.streams.pop(0):
            if isinstance(said, Exception):
                raise said
            yield said


class FakeClient:
    """The part of an engine client that events use."""

    def __init__(self, docker: FakeDocker) -> None:
        self.docker = docker

    @contextlib.asynccontextmanager
    async def call(self, name: str, seconds: float) -> AsyncIterator[None]:
        assert (name, seconds > 0) == ("events", True)
        yield


@contextlib.asynccontextmanager
async def following(*streams: list[bytes | Exception]) -> AsyncIterator[EngineEvents]:
    client: Any = FakeClient(FakeDocker(*streams))
    events = EngineEvents(client, "boot")
    events.watch("one")
    events.start()
    yield events
    await events.stop()
    assert client.docker.asked[0]["label"] == ["code-executor.boot=boot"]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "_RECONNECT_SECONDS", 0.01)


async def test_a_container_dies_and_is_destroyed() -> None:
    async with following([line("die"), line("destroy")]) as events:
        fate = events.watch("one")
        await asyncio.wait_for(fate.destroyed.wait(), 1)
        assert fate.died.is_set()
        assert not fate.out_of_memory


async def test_memory_that_ran_out_is_kept() -> None:
    async with following([line("oom"), line("die")]) as events:
        fate = events.watch("one")
        await asyncio.wait_for(fate.died.wait(), 1)
        assert fate.out_of_memory
        assert not fate.destroyed.is_set()


async def test_destroyed_is_dead_also_where_nobody_saw_it_die() -> None:
    async with following([line("destroy")]) as events:
        await asyncio.wait_for(events.watch("one").died.wait(), 1)


async def test_others_and_forgotten_ones_are_nobodys_business() -> None:
    async with following([line("die", "other"), b'{"Action": "die"}\n', line("die")]) as events:
        await asyncio.wait_for(events.watch("one").died.wait(), 1)
        events.forget("one")
        assert not events.watch("one").died.is_set()


async def test_a_broken_stream_is_taken_up_again() -> None:
    broken = EngineError("events", "connection lost")
    async with following([line("oom"), broken], [], [line("die")]) as events:
        fate = events.watch("one")
        await asyncio.wait_for(fate.died.wait(), 1)
        assert fate.out_of_memory


async def test_half_a_line_ends_nothing() -> None:
    async with following([line("oom")[:20]], [line("die")]) as events:
        await asyncio.wait_for(events.watch("one").died.wait(), 1)
