"""The pool: what waits, who gets it, how much is made ahead, and that nothing is used twice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from executor_server import pool as pool_module
from executor_server.errors import EngineError
from executor_server.model import SandboxSpec
from executor_server.pool import Pool, PoolLimits
from tests.unit.values import Recorder, a_spec

SPEC = a_spec()
LARGER = a_spec(memory_mb=512)
OTHER = a_spec(image="other")


class FakeSandbox:
    """One that lives until a test says otherwise."""

    def __init__(self, spec: SandboxSpec, number: int) -> None:
        self.spec, self.number, self.alive = spec, number, True


class FakeSandboxes:
    """Makes them, as fast as a test lets it."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.made: list[FakeSandbox] = []
        self.disposed: list[FakeSandbox] = []
        self.failing: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.making = self.most_making = 0

    async def make(self, spec: SandboxSpec) -> FakeSandbox:
        self.making += 1
        self.most_making = max(self.most_making, self.making)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.making -= 1
        if self.failing:
            raise self.failing.pop(0)
        self.made.append(FakeSandbox(spec, next(self.numbers)))
        return self.made[-1]

    async def resize(self, sandbox: FakeSandbox, spec: SandboxSpec) -> None:
        if self.failing:
            raise self.failing.pop(0)
        sandbox.spec = spec

    def dispose(self, sandbox: FakeSandbox) -> None:
        assert sandbox not in self.disposed, "taken down twice"
        self.disposed.append(sandbox)

    @property
    def waiting(self) -> list[FakeSandbox]:
        return [sandbox for sandbox in self.made if sandbox not in self.disposed]


Start = Callable[..., Pool]


@pytest.fixture
def sandboxes() -> FakeSandboxes:
    return FakeSandboxes()


@pytest.fixture
async def start(sandboxes: FakeSandboxes) -> AsyncIterator[Start]:
    """Make a pool that runs until the test ends; then nothing may be left."""
    running: list[tuple[Pool, asyncio.Task[None]]] = []

    def begin(idle_max: int = 10, pace: int = 4) -> Pool:
        parts: Any = (sandboxes, PoolLimits(idle_max * SPEC.idle_mb, pace), Recorder())
        pool = Pool(*parts)
        running.append((pool, asyncio.create_task(pool.run())))
        return pool

    yield begin
    for pool, task in running:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await pool.close()
    assert sandboxes.waiting == []


async def until(condition: Callable[[], object]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to that")


async def lease(pool: Pool, spec: SandboxSpec = SPEC) -> tuple[Any, bool]:
    async with pool.lease(spec) as found:
        return found


async def test_without_any_that_wait_each_is_made(start: Start, sandboxes: FakeSandboxes) -> None:
    pool = start(idle_max=0)
    pool.keep([SPEC])
    for _ in range(2):
        async with pool.lease(SPEC) as (sandbox, warm):
            assert not warm
            assert sandboxes.waiting == [sandbox]
        assert sandboxes.disposed[-1] is sandbox
    assert len(sandboxes.made) == 2


async def test_what_is_kept_waits_before_anybody_asks(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    pool = start()
    pool.keep([SPEC, OTHER])
    await until(lambda: len(sandboxes.waiting) == 2)
    sandbox, warm = await lease(pool)
    assert warm
    assert sandbox.number == min(s.number for s in sandboxes.made if s.spec == SPEC)


async def test_what_is_used_is_replaced_and_never_used_again(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    pool = start()
    pool.keep([SPEC])
    used = set()
    for _ in range(5):
        await until(lambda: sandboxes.waiting)
        sandbox, _ = await lease(pool)
        assert sandbox.number not in used
        used.add(sandbox.number)
    assert [sandbox.number for sandbox in sandboxes.disposed] == sorted(used)


async def test_what_is_no_longer_kept_goes(start: Start, sandboxes: FakeSandboxes) -> None:
    pool = start()
    pool.keep([SPEC, OTHER])
    await until(lambda: len(sandboxes.waiting) == 2)
    pool.keep([OTHER])
    await until(lambda: [sandbox.spec for sandbox in sandboxes.waiting] == [OTHER])


async def test_other_limits_of_the_same_image_are_one_update_away(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    pool = start()
    pool.keep([SPEC])
    await until(lambda: sandboxes.waiting)
    sandbox, warm = await lease(pool, LARGER)
    assert (sandbox.number, sandbox.spec, warm) == (0, LARGER, True)


async def test_an_update_that_fails_costs_that_sandbox_alone(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    pool = start()
    pool.keep([SPEC])
    await until(lambda: sandboxes.waiting)
    sandboxes.failing.append(EngineError("update", "no"))
    sandbox, warm = await lease(pool, LARGER)
    assert (sandbox.spec, warm) == (LARGER, False)
    assert sandboxes.disposed[0].number == 0


async def test_another_image_is_no_substitute(start: Start, sandboxes: FakeSandboxes) -> None:
    pool = start()
    pool.keep([SPEC])
    await until(lambda: sandboxes.waiting)
    sandbox, warm = await lease(pool, OTHER)
    assert (sandbox.spec, warm) == (OTHER, False)


async def test_one_that_died_while_it_waited_is_not_handed_out(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    pool = start()
    pool.keep([SPEC])
    await until(lambda: sandboxes.waiting)
    sandboxes.made[0].alive = False
    sandbox, _ = await lease(pool)
    assert sandbox.number > 0
    assert sandboxes.made[0] in sandboxes.disposed


async def test_one_that_is_too_old_is_replaced(
    start: Start, sandboxes: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = start()
    pool.keep([SPEC])
    await until(lambda: sandboxes.waiting)
    monkeypatch.setattr(pool_module, "MAX_AGE_SECONDS", 0.05)
    await until(lambda: sandboxes.made[0] in sandboxes.disposed)
    await until(lambda: sandboxes.waiting)


async def test_neither_too_many_nor_too_fast(start: Start, sandboxes: FakeSandboxes) -> None:
    pool = start(idle_max=3, pace=2)
    pool.keep(a_spec(image=f"image{number}") for number in range(9))
    await until(lambda: len(sandboxes.waiting) == 3)
    await asyncio.sleep(0.05)
    assert len(sandboxes.waiting) == 3
    assert sandboxes.most_making <= 2


async def test_more_demand_is_met_with_more_that_wait(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    pool = start(idle_max=20)
    pool.keep([SPEC])
    await asyncio.gather(*(lease(pool) for _ in range(60)))
    await until(lambda: len(sandboxes.waiting) > 2)


async def test_a_body_that_fails_or_is_cancelled_takes_its_sandbox_along(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    pool = start(idle_max=0)
    with pytest.raises(ZeroDivisionError):
        async with pool.lease(SPEC):
            raise ZeroDivisionError

    async def hold() -> None:
        async with pool.lease(SPEC):
            await asyncio.sleep(60)

    holding = asyncio.create_task(hold())
    await until(lambda: len(sandboxes.made) == 2)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert sandboxes.waiting == []


async def test_what_cannot_be_made_is_the_callers_error(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    pool = start(idle_max=0)
    sandboxes.failing.append(EngineError("create", "no space left"))
    with pytest.raises(EngineError, match="no space left"):
        await lease(pool)
    await lease(pool)


async def test_a_refill_that_fails_is_not_tried_in_a_rush(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    sandboxes.failing += [EngineError("create", "no") for _ in range(100)]
    start().keep([SPEC, OTHER])
    await asyncio.sleep(0.3)
    assert len(sandboxes.failing) > 90


async def test_closing_takes_down_what_is_just_being_made(
    start: Start, sandboxes: FakeSandboxes
) -> None:
    pool = start()
    sandboxes.gate.clear()
    pool.keep([SPEC, OTHER])
    await until(lambda: sandboxes.making == 2)
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0)
    sandboxes.gate.set()
    await closing
    assert sandboxes.waiting == []
