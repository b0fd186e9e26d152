"""What the reaper removes, and above all what it leaves alone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from executor_server.engine.containers import FoundContainer
from executor_server.errors import EngineError
from executor_server.reaper import Reaper
from tests.unit.fake_agent import FakeContainers
from tests.unit.values import Recorder

HOUR = 3600.0


class Living:
    """Stands for the sandboxes of this server."""

    def __init__(self) -> None:
        self.living: set[str] = set()


class World:
    """A reaper and what it sees."""

    def __init__(self) -> None:
        self.containers = FakeContainers()
        self.sandboxes = Living()
        self.observer = Recorder()
        parts: Any = (self.containers, self.sandboxes, self.observer)
        self.reaper = Reaper(*parts)

    @property
    def why(self) -> dict[str, str]:
        """What was reaped and why; told once each."""
        told = self.observer.told("reaped")
        assert len(told) == len({container for container, _ in told})
        return dict(told)

    def add(self, name: str, instance: str, boot: str, expires_in: float = HOUR) -> None:
        entry = FoundContainer(name, instance, boot, time.time() + expires_in)
        self.containers.found.append(entry)


@pytest.fixture
def world() -> World:
    return World()


async def test_what_is_ours_and_lives_stays(world: World) -> None:
    world.add("living", "mine", "now")
    world.sandboxes.living.add("living")
    for _ in range(3):
        assert await world.reaper.sweep() == 0
    assert world.containers.removed == []


async def test_another_servers_stays_until_it_expires(world: World) -> None:
    world.add("theirs", "other", "whenever")
    world.add("theirs, old", "other", "whenever", expires_in=-1)
    assert await world.reaper.sweep() == 1
    assert world.why == {"theirs, old": "expired"}


async def test_what_an_earlier_start_has_left_goes_at_once(world: World) -> None:
    world.add("left", "mine", "earlier")
    await world.reaper.sweep()
    assert world.why == {"left": "left by an earlier start"}


async def test_one_that_we_do_not_know_may_just_be_coming(world: World) -> None:
    world.add("coming", "mine", "now")
    world.add("lost", "mine", "now")
    assert await world.reaper.sweep() == 0
    world.sandboxes.living.add("coming")
    assert await world.reaper.sweep() == 1
    assert world.why == {"lost": "unknown to its own server"}


async def test_one_without_a_readable_expiry_is_expired(world: World) -> None:
    world.containers.found.append(FoundContainer("odd", "other", "x", 0.0))
    assert await world.reaper.sweep() == 1


async def test_one_that_cannot_be_removed_keeps_none_of_the_others(world: World) -> None:
    world.add("stuck", "mine", "earlier")
    world.add("left", "mine", "earlier")
    world.containers.failing["remove stuck"] = [EngineError("remove", "it hangs")]
    assert await world.reaper.sweep() == 1
    assert list(world.why) == ["left"]
    assert await world.reaper.sweep() == 1
    assert list(world.why) == ["left", "stuck"]


async def test_one_that_the_engine_lists_for_ever_is_told_once(
    world: World,
) -> None:
    world.add("ghost", "mine", "earlier")
    ghost = list(world.containers.found)
    assert await world.reaper.sweep() == 1
    world.containers.found = ghost
    assert await world.reaper.sweep() == 0
    assert world.containers.removed == list(world.why) == ["ghost"]


async def test_an_engine_that_does_not_answer_is_for_the_next_round(world: World) -> None:
    world.add("left", "mine", "earlier")
    world.containers.failing["list"] = [EngineError("list", "away")]
    await world.reaper.try_sweep()
    assert world.why == {}
    await world.reaper.try_sweep()
    assert list(world.why) == ["left"]
