"""One run of the benchmark: the stages in their order, each told as soon as it is measured."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from typing import TYPE_CHECKING

from bench import proc, report
from bench.bare import compile_loop
from bench.cpu import measure_cpu
from bench.docker_run import docker_run
from bench.latency import measure_latency, measure_way
from bench.memory import measure_idle, measure_resident
from bench.peers import measure_peers
from bench.results import Machine, Results
from bench.session import COMPILER_OF_LOOP
from bench.start import measure_start
from bench.throughput import measure_growth, measure_open_loop, measure_throughput, sustained_rate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from bench.session import Session

    Stage = Callable[[Session, Results], Awaitable[None]]

_BACKGROUND_SECONDS = 3.0


def tell(lines: str | Iterable[str]) -> None:
    """Print at once: a run takes long, and what it has found so far is of use."""
    for line in [lines] if isinstance(lines, str) else lines:
        print(line, flush=True)


async def prepare(session: Session, *, partial: bool) -> Results:
    """Images and the bare loop are there afterwards, and the machine is described."""
    tell("images ...")
    await session.make_images()
    session.loop = await compile_loop(session.laboratory, session.image(COMPILER_OF_LOOP))
    machine = await _machine(session)
    results = Results(
        machine=machine,
        scale=session.scale.name,
        languages=list(session.chosen),
        docker_run=docker_run(session.laboratory).how,
        partial=partial,
    )
    tell(report.machine_lines(results))
    return results


async def _machine(session: Session) -> Machine:
    info = await session.laboratory.client.info()
    cores = os.cpu_count() or 1
    began, before = time.perf_counter(), proc.machine_busy_seconds()
    await asyncio.sleep(_BACKGROUND_SECONDS)
    busy = (proc.machine_busy_seconds() - before) / (time.perf_counter() - began)
    return Machine(
        processor=proc.processor(),
        cores=cores,
        memory_mb=proc.total_mebibytes(),
        kernel=platform.release(),
        engine=str(info.get("ServerVersion", "")),
        runtime=str(info.get("DefaultRuntime", "")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        python=platform.python_version(),
        background=busy / cores,
    )


async def _start(session: Session, results: Results) -> None:
    results.start = await measure_start(session)
    seconds = results.start.seconds
    tell(f"  p50 {seconds.p50:.2f} s [{seconds.least:.2f}, {seconds.most:.2f}], n {seconds.count}")


async def _idle(session: Session, results: Results) -> None:
    results.idle = await measure_idle(session)
    tell(report.idle_line(idle) for idle in results.idle)


async def _latency(session: Session, results: Results) -> None:
    tell(f"  docker run is {results.docker_run}")
    async for latency in measure_latency(session):
        results.latency.append(latency)
        tell(report.latency_lines(latency))


async def _way(session: Session, results: Results) -> None:
    way = results.way = await measure_way(session)
    tell(
        f"  Health: gRPC {way.grpc.p50 * 1000:.2f} ms, REST {way.rest.p50 * 1000:.2f} ms, "
        f"added {way.added.value * 1000:.2f} "
        f"[{way.added.low * 1000:.2f}, {way.added.high * 1000:.2f}]"
    )


async def _throughput(session: Session, results: Results) -> None:
    results.throughput = await measure_throughput(session)
    tell(report.throughput_lines(results.throughput))


async def _growth(session: Session, results: Results) -> None:
    async for point in measure_growth(session):
        results.growth.append(point)
        tell(report.load_line(f"{point.level:g} clients", point))


async def _open_loop(session: Session, results: Results) -> None:
    measured = results.throughput
    sustained = measured.service.value if measured else await sustained_rate(session)
    tell(f"  fractions of {sustained:.2f} /s")
    async for point in measure_open_loop(session, sustained):
        results.open_loop.append(point)
        tell(report.load_line(f"{point.level:.0%}", point))


async def _cpu(session: Session, results: Results) -> None:
    results.cpu = await measure_cpu(session, os.getpid())
    for split in results.cpu:
        tell(report.cpu_lines(split))


async def _resident(session: Session, results: Results) -> None:
    results.resident = await measure_resident(session)
    measured = results.resident
    tell(f"  {measured.growth:+.1%} from execution {measured.first} to {measured.last}")


async def _peers(session: Session, results: Results) -> None:
    results.peers = await measure_peers(session)
    tell(report.peer_line(peer) for peer in results.peers)


STAGES: dict[str, tuple[str, Stage]] = {
    "start": ("service start to first answer", _start),
    "idle": ("memory of sandboxes that wait", _idle),
    "latency": ("latency of each language, everybody in turns", _latency),
    "way": ("a call without a sandbox, gRPC and REST in turns", _way),
    "throughput": ("sustained rate and the engine's ceiling, in turns", _throughput),
    "growth": ("closed loops of more and more clients", _growth),
    "open": ("open loops at fixed rates", _open_loop),
    "cpu": ("CPU of the machine for one execution", _cpu),
    "resident": ("resident memory of the service over many executions", _resident),
    "peers": ("other executors", _peers),
}
"""Name for ``--only``: what it measures, and how."""


async def run_stages(session: Session, results: Results, names: Iterable[str]) -> None:
    """The stages of these names, in their order; what cannot be read here is left out, with a line."""
    began = time.perf_counter()
    try:
        for name in names:
            text, stage = STAGES[name]
            tell(f"\n{text}")
            try:
                await stage(session, results)
            except proc.NotReadableError as failure:
                tell(f"  left out: {failure}")
    finally:
        results.seconds = time.perf_counter() - began
