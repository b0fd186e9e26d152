"""How many executions the service sustains: against the engine's ceiling, by clients, at fixed rates."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

from bench import stats
from bench.ceiling import CONCURRENCY, Ceiling
from bench.load import ClosedLoop, Load, open_loop
from bench.results import LoadPoint, Throughput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.service import RunningService
    from bench.session import Session

CLIENTS = 8
"""Enough to keep the engine busy, and as many as run at once on two cores by default."""


async def measure_throughput(session: Session) -> Throughput:
    """Windows of the bare loop and of the service in turns; the pool is drained before its window."""
    scale = session.scale
    ceiling = Ceiling(session.laboratory, session.reference_spec())
    bare: dict[str, list[float]] = defaultdict(list)
    loads: list[Load] = []
    async with session.service() as service:
        for number in range(scale.windows):
            if number % 2:
                loads.append(await _sustained(session, service))
            for concurrency in CONCURRENCY:
                rate = await ceiling.rate(concurrency, scale.window)
                bare[str(concurrency)].append(rate)
            if not number % 2:
                loads.append(await _sustained(session, service))
    best = max(bare, key=lambda concurrency: median(bare[concurrency]))
    return Throughput(
        ceiling={name: stats.of_rounds(rates) for name, rates in bare.items()},
        best=best,
        clients=CLIENTS,
        service=stats.of_rounds([load.rate for load in loads]),
        share=stats.of_rounds(
            [load.rate / rate for load, rate in zip(loads, bare[best], strict=True)]
        ),
        latency=stats.summary([seconds for load in loads for seconds in load.latencies]),
    )


async def _sustained(session: Session, service: RunningService) -> Load:
    async with ClosedLoop(service.grpc, session.reference, CLIENTS) as clients:
        await clients.drain_pool()
        load = await clients.measure(session.scale.window)
    # Its pool fills again: not during the other's window.
    await service.settle()
    return load


async def sustained_rate(session: Session) -> float:
    """One window of it, for a run that does not measure it against the ceiling."""
    async with session.service() as service:
        return (await _sustained(session, service)).rate


async def measure_growth(session: Session) -> AsyncIterator[LoadPoint]:
    """One client, two, four ...: what more of them bring, and what they wait."""
    async with session.service() as service:
        for number in session.scale.clients:
            async with ClosedLoop(service.grpc, session.reference, number) as clients:
                await clients.drain_pool()
                load = await clients.measure(session.scale.growth_window)
            await service.settle()
            yield load_point(number, load)


async def measure_open_loop(session: Session, sustained: float) -> AsyncIterator[LoadPoint]:
    """Fixed fractions of the sustained rate, whether or not the service keeps up."""
    async with session.service() as service:
        for fraction in session.scale.open_fractions:
            rate = fraction * sustained
            # The pool learns of the rate before it is measured at it.
            await open_loop(service.grpc, session.reference, rate, session.scale.window)
            load = await open_loop(service.grpc, session.reference, rate, session.scale.open_window)
            await service.settle()
            yield load_point(fraction, load)


def load_point(level: float, load: Load) -> LoadPoint:
    """Raises ValueError where nothing was answered at all."""
    return LoadPoint(
        level=level,
        rate=load.rate,
        latency=stats.summary(load.latencies),
        tail=stats.tail(load.latencies),
        refused=load.refused,
        warm_share=load.warm_share,
    )
