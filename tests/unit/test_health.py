"""Whether the service serves: one truth, told at every change."""

from __future__ import annotations

from typing import Any

import pytest

from executor_server.errors import EngineError, UnavailableError
from executor_server.health import Health
from tests.unit.values import Recorder


class World:
    """A health and what it looks at."""

    def __init__(self) -> None:
        self.engine_error: EngineError | None = None
        self.any_ready = True
        self.recorder = Recorder()
        parts: Any = (self, self, self.recorder)
        self.health = Health(*parts)
        self.heard: list[bool] = []
        self.health.listen(self.heard.append)

    async def ping(self, seconds: float) -> None:
        assert 0 < seconds < 60
        if self.engine_error:
            raise self.engine_error


@pytest.fixture
def world() -> World:
    return World()


async def test_it_does_not_serve_before_the_first_look(world: World) -> None:
    assert not world.health.serving
    await world.health.check()
    assert world.health.serving
    assert world.heard == [False, True]


async def test_it_tells_of_changes_only(world: World) -> None:
    for _ in range(3):
        await world.health.check()
    world.engine_error = EngineError("ping", "connection refused")
    for _ in range(3):
        await world.health.check()
    assert world.heard == [False, True, False]
    (_, good), (_, bad) = world.recorder.told("service_state")
    assert good == ""
    assert "connection refused" in bad


async def test_an_engine_that_is_away_keeps_callers_from_trying(world: World) -> None:
    await world.health.check()
    world.health.require()
    world.health.require_engine()
    world.engine_error = EngineError("ping", "/secret/path refused")
    await world.health.check()
    for check, reason in (
        (world.health.require, "NOT_SERVING"),
        (world.health.require_engine, "ENGINE_UNREACHABLE"),
    ):
        with pytest.raises(UnavailableError) as caught:
            check()
        assert caught.value.reason == reason
        assert caught.value.retry_after_seconds > 0
        assert "engine" in str(caught.value)
        assert "secret" not in str(caught.value)


async def test_no_image_is_no_service_but_no_lost_engine(world: World) -> None:
    world.any_ready = False
    await world.health.check()
    with pytest.raises(UnavailableError, match="no language image is ready"):
        world.health.require()
    world.health.require_engine()


async def test_draining_is_for_good(world: World) -> None:
    await world.health.check()
    world.health.drain()
    await world.health.check()
    assert not world.health.serving
    with pytest.raises(UnavailableError, match="shutting down"):
        world.health.require()
