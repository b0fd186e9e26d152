"""Loads: closed loops wait for their answers, open ones for nothing."""

import asyncio
import statistics
import time

import pytest

from bench.fronts import Answer, RefusedError
from bench.load import ClosedLoop, Load, open_loop
from bench.programs import Program, hello
from bench.results import GRPC
from tests.unit.bench.results import LANGUAGES


class _Front:
    """Answers after a while; every third request may be refused."""

    name = GRPC

    def __init__(self, seconds: float, *, refuse: bool = False, stuck: float = 0.0) -> None:
        self.calls = 0
        self.at_once = 0
        self.most_at_once = 0
        self._seconds = seconds
        self._refuse = refuse
        self._stuck = stuck

    async def execute(self, *_arguments: object, **_more: object) -> Answer:
        self.calls += 1
        if self._refuse and self.calls % 3 == 0:
            raise RefusedError("full")
        if self._stuck and self.calls == 2:
            time.sleep(self._stuck)  # noqa: ASYNC251 - a sender that is held up
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        began = time.perf_counter()
        await asyncio.sleep(self._seconds)
        self.at_once -= 1
        return Answer(time.perf_counter() - began, self.calls > 1, 0.001)

    async def health(self) -> float:
        return 0.0


@pytest.fixture
def program() -> Program:
    return hello(next(iter(LANGUAGES)))


async def test_closed_loop_keeps_as_many_requests_under_way_as_it_has_clients(
    program: Program,
) -> None:
    front = _Front(0.02)
    async with ClosedLoop(front, program, 4) as clients:
        load = await clients.measure(0.3)
    assert front.most_at_once == 4
    # Never faster than the answers allow; a busy machine may make it slower.
    assert 0.25 * 4 / 0.02 < load.rate <= 1.05 * 4 / 0.02
    assert front.at_once == 0, "leaving the block waits for the last answers"


async def test_closed_loop_raises_what_a_client_met(program: Program) -> None:
    class Broken(_Front):
        async def execute(self, *_arguments: object, **_more: object) -> Answer:
            raise ValueError("broken")

    began = time.perf_counter()
    with pytest.raises(ValueError, match="broken"):
        async with ClosedLoop(Broken(0.0), program, 2) as clients:
            await clients.measure(30.0)
    assert time.perf_counter() - began < 5, "a load that is broken is not waited for"


async def test_open_loop_sends_at_its_rate_whatever_the_answers_take(program: Program) -> None:
    front = _Front(0.3)
    load = await open_loop(front, program, 50.0, 0.4)
    assert len(load.answers) == 20
    assert front.most_at_once > 10
    assert statistics.median(load.latencies) == pytest.approx(0.3, abs=0.15)


async def test_open_loop_counts_a_late_sender_as_latency(program: Program) -> None:
    front = _Front(0.001, stuck=0.2)
    load = await open_loop(front, program, 100.0, 0.3)
    late = [seconds for seconds in load.latencies if seconds > 0.05]
    assert len(late) > 10, "requests that were due while the sender was held up have waited"
    assert max(late) > 0.15


async def test_refused_requests_are_counted_and_are_no_latencies(program: Program) -> None:
    load = await open_loop(_Front(0.001, refuse=True), program, 200.0, 0.15)
    assert load.refused == 10
    assert len(load.answers) == 20


def test_load_without_answers_has_a_rate_of_nothing() -> None:
    assert Load(2.0).rate == 0
    assert Load(2.0).warm_share == 0
