"""Admission: places, turns, bounds, and who is refused when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor_server.errors import DeadlineError, UnavailableError
from executor_server.model import Caller
from executor_server.observer import Observer
from executor_server.scheduler import Capacity, Claim, Scheduler

SMALL = Claim(cpus=0.5, memory_mb=128)


class Counts(Observer):
    """What the scheduler says of itself."""

    waiting = running = most_running = 0

    def queue_changed(self, waiting: int, running: int) -> None:
        self.waiting, self.running = waiting, running
        self.most_running = max(self.most_running, running)


def caller(name: str = "a") -> Caller:
    return Caller(name, "grpc")


def a_capacity(**changes: Any) -> Capacity:
    values = {
        "places": 2,
        "cpus": 100.0,
        "memory_mb": 100_000,
        "queue_limit": 10,
        "queue_seconds": 30.0,
    }
    return Capacity(**{**values, **changes})


def a_scheduler(observer: Observer | None = None, **changes: Any) -> Scheduler:
    return Scheduler(a_capacity(**changes), observer or Observer())


@asynccontextmanager
async def held(scheduler: Scheduler, count: int) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(scheduler.place(caller(), SMALL))
        yield


async def waiting(scheduler: Scheduler, name: str = "a", claim: Claim = SMALL) -> asyncio.Task[str]:
    """Somebody who waits for a place, and holds it only for a moment."""

    async def one() -> str:
        async with scheduler.place(caller(name), claim):
            return name

    task = asyncio.create_task(one())
    await asyncio.sleep(0)
    return task


async def test_who_finds_a_place_does_not_wait() -> None:
    scheduler = a_scheduler()
    async with scheduler.place(caller(), SMALL) as seconds:
        assert seconds < 0.1


async def test_no_more_run_than_there_are_places() -> None:
    counts = Counts()
    scheduler = a_scheduler(counts)
    async with held(scheduler, 2):
        third = await waiting(scheduler)
        assert (counts.running, counts.waiting) == (2, 1)
    assert await third == "a"
    assert (counts.running, counts.waiting, counts.most_running) == (0, 0, 2)


@pytest.mark.parametrize(
    ("capacity", "claim"),
    [({"cpus": 2.0}, Claim(1.5, 1)), ({"memory_mb": 512}, Claim(0.1, 300))],
    ids=["cpu", "memory"],
)
async def test_what_does_not_fit_waits_although_places_are_free(
    capacity: dict[str, Any], claim: Claim
) -> None:
    scheduler = a_scheduler(**capacity)
    async with scheduler.place(caller(), claim):
        second = await waiting(scheduler, claim=claim)
        assert not second.done()
    await second


async def test_one_larger_than_the_machine_runs_alone() -> None:
    scheduler = a_scheduler(cpus=1.0)
    async with scheduler.place(caller(), Claim(8.0, 1)):
        assert not (await waiting(scheduler)).done()


async def test_a_large_one_that_waits_is_not_overtaken_by_small_ones() -> None:
    scheduler = a_scheduler(cpus=2.0, places=10)
    order = []

    async def one(name: str, claim: Claim) -> None:
        async with scheduler.place(caller(), claim):
            order.append(name)

    async with scheduler.place(caller(), Claim(1.5, 1)):
        large = asyncio.create_task(one("large", Claim(2.0, 1)))
        await asyncio.sleep(0)
        small = asyncio.create_task(one("small", Claim(0.1, 1)))
        await asyncio.sleep(0.01)
        assert order == []
    await asyncio.gather(large, small)
    assert order == ["large", "small"]


async def test_callers_take_turns_and_one_callers_own_stand_in_line() -> None:
    scheduler = a_scheduler(places=1)
    order: list[str] = []

    async def one(name: str, number: int) -> None:
        async with scheduler.place(caller(name), SMALL):
            order.append(f"{name}{number}")

    async with held(scheduler, 1):
        tasks = []
        for name, count in (("greedy", 4), ("modest", 1), ("other", 2)):
            for number in range(count):
                tasks.append(asyncio.create_task(one(name, number)))
                await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["greedy0", "modest0", "other0", "greedy1", "other1", "greedy2", "greedy3"]


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    scheduler = a_scheduler(queue_limit=1)
    async with held(scheduler, 2):
        second = await waiting(scheduler)
        with pytest.raises(UnavailableError) as caught:
            async with scheduler.place(caller(), SMALL):
                pytest.fail("a full queue let somebody in")
        assert caught.value.reason == "QUEUE_FULL"
        assert caught.value.retry_after_seconds >= 1
    await second


async def test_who_fills_the_queue_gives_way_to_who_has_less_there() -> None:
    scheduler = a_scheduler(queue_limit=3)
    async with held(scheduler, 2):
        greedy = [await waiting(scheduler, "greedy") for _ in range(3)]
        modest = await waiting(scheduler, "modest")
        with pytest.raises(UnavailableError) as caught:
            await greedy[2]
        assert caught.value.reason == "QUEUE_FULL"
        with pytest.raises(UnavailableError):  # two against one: nobody has to give way
            async with scheduler.place(caller("modest"), SMALL):
                pytest.fail("a full queue let somebody in")
    await asyncio.gather(greedy[0], greedy[1], modest)


async def test_nobody_waits_for_ever() -> None:
    counts = Counts()
    scheduler = a_scheduler(counts, queue_seconds=0.05)
    async with held(scheduler, 2):
        with pytest.raises(UnavailableError) as caught:
            await (await waiting(scheduler))
        assert caught.value.reason == "QUEUE_TIMEOUT"
        assert counts.waiting == 0


async def test_who_cannot_be_served_in_time_is_told_at_once() -> None:
    scheduler = a_scheduler(places=1)
    async with held(scheduler, 1):
        await asyncio.sleep(0.2)  # from which it learns how long one takes
    async with held(scheduler, 1):
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            async with scheduler.place(caller(), SMALL, began + 0.05):
                pytest.fail("it waited for what cannot be")
        assert time.monotonic() - began < 0.05
        patient = asyncio.create_task(scheduler.place(caller(), SMALL, began + 60).__aenter__())
        await asyncio.sleep(0)
        assert not patient.done()
    await patient


async def test_the_crowd_of_another_caller_is_no_reason_to_be_told_so() -> None:
    scheduler = a_scheduler(places=1, queue_limit=100)
    async with held(scheduler, 1):
        await asyncio.sleep(0.1)  # from which it learns how long one takes
    async with held(scheduler, 1):
        crowd = [await waiting(scheduler, "greedy") for _ in range(50)]
        deadline = time.monotonic() + 1  # two turns take 0.2 s, all of them 5 s
        modest = asyncio.create_task(
            scheduler.place(caller("modest"), SMALL, deadline).__aenter__()
        )
        await asyncio.sleep(0)
        assert not modest.done()
        with pytest.raises(DeadlineError, match="51 executions go before this one"):
            async with scheduler.place(caller("greedy"), SMALL, deadline):
                pytest.fail("it waited for what cannot be")
    await modest
    for one in crowd:
        one.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


async def test_who_is_cancelled_leaves_the_queue() -> None:
    counts = Counts()
    scheduler = a_scheduler(counts)
    async with held(scheduler, 2):
        first, second = await waiting(scheduler, "a"), await waiting(scheduler, "b")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert counts.waiting == 1
    assert await second == "b"
    assert (counts.running, counts.waiting) == (0, 0)


async def test_a_place_granted_to_one_who_is_cancelled_goes_to_the_next() -> None:
    scheduler = a_scheduler(places=1)
    async with held(scheduler, 1):
        first, second = await waiting(scheduler), await waiting(scheduler)
    first.cancel()  # its place was granted, and it has not run since
    await asyncio.gather(first, return_exceptions=True)
    assert await asyncio.wait_for(second, 1) == "a"


async def test_more_room_lets_in_who_waits_and_less_lets_go_on_who_runs() -> None:
    scheduler = a_scheduler(places=1)
    async with held(scheduler, 1):
        second = await waiting(scheduler)
        assert not second.done()
        scheduler.resize(a_capacity(places=2))
        assert await asyncio.wait_for(second, 1) == "a"
    async with held(scheduler, 2):
        scheduler.resize(a_capacity(places=1))
        third = await waiting(scheduler)
        assert not third.done()
    await third


async def test_draining_refuses_those_who_wait_and_those_who_come() -> None:
    scheduler = a_scheduler()
    async with held(scheduler, 2):
        waits = await waiting(scheduler)
        scheduler.drain()
        for refused in (waits, await waiting(scheduler)):
            with pytest.raises(UnavailableError) as caught:
                await refused
            assert caught.value.reason == "DRAINING"
        assert not await scheduler.idle(0.01)
    assert await scheduler.idle(0.01)


async def test_an_execution_that_fails_gives_its_place_back() -> None:
    counts = Counts()
    scheduler = a_scheduler(counts)
    with pytest.raises(ZeroDivisionError):
        async with scheduler.place(caller(), SMALL):
            raise ZeroDivisionError
    assert counts.running == 0


steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from((0.5, 1.0, 3.0)), st.booleans()), max_size=25
)


@given(steps)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_and_nothing_is_too_much(plan: list[tuple[str, float, bool]]) -> None:
    """Callers come, some give up: at the end all is free, and never was more held than there is."""
    asyncio.run(_play(plan))


async def _play(plan: list[tuple[str, float, bool]]) -> None:
    counts, cpus = Counts(), {"now": 0.0}
    scheduler = a_scheduler(counts, places=3, cpus=2.0, queue_limit=100)

    async def one(name: str, size: float) -> None:
        async with scheduler.place(caller(name), Claim(size, 1)):
            cpus["now"] += size
            try:
                assert cpus["now"] <= max(2.0, size)
                await asyncio.sleep(0)
            finally:
                cpus["now"] -= size

    tasks = []
    for name, size, gives_up in plan:
        tasks.append(asyncio.create_task(one(name, size)))
        await asyncio.sleep(0)
        if gives_up:
            tasks[len(tasks) // 2].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {type(None), asyncio.CancelledError}
    assert (counts.running, counts.waiting) == (0, 0)
    assert counts.most_running <= 3
