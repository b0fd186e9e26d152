"""How sandboxes are made and taken down: whatever happens on the way, no container is left."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from executor_server import sandboxes
from executor_server.agent import FrameType
from executor_server.errors import EngineError, ImageLostError, SandboxStartError
from executor_server.sandboxes import Sandboxes
from tests.unit.fake_agent import FakeContainers, FakeEvents, FakeStream, hello_payload
from tests.unit.values import Recorder, a_spec

SPEC = a_spec()
LONGEST_SECONDS = 3600.5


class World:
    """Sandboxes on a fake engine."""

    def __init__(self) -> None:
        self.containers = FakeContainers()
        self.events = FakeEvents()
        self.told = Recorder()
        self.lost_images: list[str] = []
        parts: Any = (self.containers, self.events, self.told, self.lost_images.append)
        self.sandboxes = Sandboxes(*parts, longest_seconds=LONGEST_SECONDS, trace=False)

    @property
    def ways(self) -> list[str]:
        """How containers were removed."""
        return [how for _, _, how in self.told.told("sandbox_removed")]

    @property
    def breaks(self) -> list[str]:
        """What was said of sandboxes that broke."""
        return [error for _, error in self.told.told("sandbox_broken")]

    def destroyed(self, container: str) -> None:
        """The engine says that the container is gone."""
        self.events.fates[container].destroyed.set()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(sandboxes, "_LEAVES_BY_ITSELF_SECONDS", 0.1)
    return World()


async def test_nobodys_reaper_takes_one_that_waited_and_then_ran_as_long_as_it_may(
    world: World,
) -> None:
    before = time.time()
    await world.sandboxes.make(SPEC)
    (expires,) = world.containers.expiries
    assert expires > before + sandboxes.IDLE_SECONDS + LONGEST_SECONDS


async def test_one_is_made_and_leaves_by_itself(world: World) -> None:
    sandbox = await world.sandboxes.make(SPEC)
    assert world.sandboxes.living == {sandbox.container}
    world.sandboxes.dispose(sandbox)
    await asyncio.sleep(0.01)
    assert world.containers.streams[sandbox.container].closed
    world.destroyed(sandbox.container)
    await world.containers.settle()
    assert len(world.told.told("sandbox_made")) == 1
    assert world.ways == ["itself"]
    assert world.containers.removed == []
    assert world.sandboxes.living == set()
    assert world.events.fates == {}


async def test_one_that_does_not_leave_is_removed_by_force(world: World) -> None:
    sandbox = await world.sandboxes.make(SPEC)
    world.sandboxes.dispose(sandbox)
    await world.containers.settle()
    assert world.containers.removed == [sandbox.container]
    assert world.ways == ["forced"]


async def test_force_is_used_again_until_it_works(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = await world.sandboxes.make(SPEC)
    world.containers.failing["remove"] = [EngineError("remove", "busy")]
    world.sandboxes.dispose(sandbox)
    await world.containers.settle()
    assert world.ways == ["forced"]


async def test_one_that_cannot_be_removed_is_left_to_the_reaper(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandboxes, "_REMOVAL_ATTEMPTS", 1)
    sandbox = await world.sandboxes.make(SPEC)
    world.containers.failing["remove"] = [EngineError("remove", "never")]
    world.sandboxes.dispose(sandbox)
    await world.containers.settle()
    assert world.ways == ["lost"]
    assert world.sandboxes.living == set()


@pytest.mark.parametrize("call", ["create", "attach", "start"])
async def test_an_engine_that_fails_once_is_asked_again(call: str, world: World) -> None:
    world.containers.failing[call] = [EngineError(call, "a hiccup")]
    sandbox = await world.sandboxes.make(SPEC)
    await world.containers.settle()
    assert world.breaks == [f"engine call {call} failed: a hiccup"]
    assert world.sandboxes.living == {sandbox.container}


async def test_an_engine_that_fails_twice_is_an_error(world: World) -> None:
    world.containers.failing["start"] = [EngineError("start", "no") for _ in range(2)]
    with pytest.raises(EngineError):
        await world.sandboxes.make(SPEC)
    await world.containers.settle()
    assert sorted(world.containers.removed) == ["container0", "container1"]
    assert world.sandboxes.living == set()


def greet(stream: FakeStream) -> None:
    stream.say(FrameType.HELLO, hello_payload())


async def test_an_agent_that_does_not_greet_is_replaced(world: World) -> None:
    greetings = iter([FakeStream.end, greet])
    world.containers.greet = lambda stream: next(greetings)(stream)
    sandbox = await world.sandboxes.make(SPEC)
    assert sandbox.container == "container1"
    world.destroyed("container0")
    await world.containers.settle()
    assert world.sandboxes.living == {"container1"}
    assert len(world.breaks) == 1


async def test_no_agent_at_all_is_an_error(world: World) -> None:
    world.containers.greet = FakeStream.end
    with pytest.raises(SandboxStartError):
        await world.sandboxes.make(SPEC)
    await world.containers.settle()
    assert world.sandboxes.living == set()


async def test_who_cancels_while_it_starts_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start goes on; once it has started, it leaves by itself and no force is used beside that."""
    go_on = asyncio.Event()

    async def start(_container: str) -> None:
        await go_on.wait()

    monkeypatch.setattr(world.containers, "start", start)
    making = asyncio.create_task(world.sandboxes.make(SPEC))
    await asyncio.sleep(0.01)
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    assert making.cancelled()
    assert world.containers.removed == []
    go_on.set()
    await asyncio.sleep(0.01)
    assert world.containers.streams["container0"].closed
    world.destroyed("container0")
    await world.containers.settle()
    assert world.containers.removed == []
    assert world.sandboxes.living == set()


async def test_who_cancels_before_it_starts_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def attach(_container: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(world.containers, "attach", attach)
    making = asyncio.create_task(world.sandboxes.make(SPEC))
    await asyncio.sleep(0.01)
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    await world.containers.settle()
    assert world.containers.removed == ["container0"]
    assert world.sandboxes.living == set()


async def test_limits_change_in_place(world: World) -> None:
    sandbox = await world.sandboxes.make(SPEC)
    larger = a_spec(memory_mb=512, cpus=1.0)
    await world.sandboxes.resize(sandbox, larger)
    assert sandbox.spec == larger
    assert world.containers.updated == [(sandbox.container, larger)]


async def test_an_image_that_the_engine_has_lost_is_told_and_not_tried_again(
    world: World,
) -> None:
    world.containers.failing["create"] = [ImageLostError("create", "No such image", 404)]
    with pytest.raises(ImageLostError):
        await world.sandboxes.make(SPEC)
    assert world.lost_images == ["image"]
    assert world.containers.streams == {}
