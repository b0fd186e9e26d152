"""CPU of the whole machine for one execution, and who spends it.

Most of it is spent by processes that live for a few milliseconds, so nothing is sampled. Each part is a
difference of counters that the kernel keeps for good:

- machine: /proc/stat, everything but idle, waiting and stolen time, minus what the machine spends when
  nothing is asked of it;
- engine: dockerd and containerd, own time;
- shim and runtime: shims that live, with the children that they have waited for (runc), the children of
  dockerd and containerd, and everything that the shims' parent has waited for. A shim that ends is waited
  for by that parent, and by then its time has all of its runc's and of its container's in it, so the
  containers' time is taken off again;
- program: the control group above all containers, which outlives each of them: the runtime's last steps
  inside the container, the agent, the program. Where no such group is kept, what the service reports;
- service: the one process that is both server and gateway, with its children;
- kernel: what is left, the work of kernel threads for a container's end.

The load generator, which is this process, is measured too and left out of the total.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import proc
from bench.load import ClosedLoop
from bench.results import CpuSplit
from bench.throughput import CLIENTS

if TYPE_CHECKING:
    from bench.fronts import Front
    from bench.load import Load
    from bench.proc import ContainerGroup
    from bench.service import RunningService
    from bench.session import Session

_IDLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Counters:
    """CPU seconds so far, at one moment or as the difference of two."""

    machine: float
    engine: float
    children: float
    """Shims that live, and what was waited for by the shims' parent, dockerd and containerd."""
    containers: float | None
    service: float
    generator: float

    def since(self, earlier: Counters) -> Counters:
        """What was spent between the two."""
        containers = None
        if self.containers is not None and earlier.containers is not None:
            containers = self.containers - earlier.containers
        return Counters(
            machine=self.machine - earlier.machine,
            engine=self.engine - earlier.engine,
            children=self.children - earlier.children,
            containers=containers,
            service=self.service - earlier.service,
            generator=self.generator - earlier.generator,
        )


class Meter:
    """Reads the counters of one service and its engine."""

    def __init__(self, socket_path: str, service: int, generator: int, sandbox: int) -> None:
        """``sandbox`` is the first process of one that waits. Raises NotReadableError."""
        self._engine = proc.engine_processes(socket_path)
        self._service = service
        self._generator = generator
        self._group: ContainerGroup = proc.container_group(sandbox)
        self._shims_parent = proc.parent(proc.parent(sandbox))

    def read(self) -> Counters:
        """Raises NotReadableError."""
        engine = [proc.process_times(pid) for pid in self._engine]
        waited_for = {*self._engine, self._shims_parent}
        service = proc.process_times(self._service)
        generator = proc.process_times(self._generator)
        return Counters(
            machine=proc.machine_busy_seconds(),
            engine=sum(times.own for times in engine),
            children=_shims() + sum(proc.process_times(pid).reaped for pid in waited_for),
            containers=self._group.siblings_cpu_seconds(),
            service=service.own + service.reaped,
            generator=generator.own,
        )


def _shims() -> float:
    total = 0.0
    for pid in proc.processes(proc.SHIM):
        try:
            times = proc.process_times(pid)
        except proc.NotReadableError:
            continue  # It ended meanwhile, and its parent has its time.
        total += times.own + times.reaped
    return total


async def measure_cpu(session: Session, generator: int) -> list[CpuSplit]:
    """Windows of sustained load over gRPC and REST in turns. Raises NotReadableError.

    ``generator`` is this process.
    """
    spent: dict[str, list[tuple[Counters, Load, float]]] = defaultdict(list)
    async with session.service() as service:
        meter = await _meter(session, service, generator)
        for _ in range(session.scale.cpu_windows):
            for front in (service.grpc, service.rest):
                idle = await _idle_rate(meter)
                counters, load = await _window(session, meter, front)
                spent[front.name].append((counters, load, idle))
                await service.settle()
    return [split(front, windows) for front, windows in spent.items()]


async def _meter(session: Session, service: RunningService, generator: int) -> Meter:
    laboratory = session.laboratory
    for container in await laboratory.containers(service.process.instance):
        pid = int((await laboratory.inspect(container))["State"]["Pid"])
        if pid:
            scheme, _, path = session.settings.docker_host.partition("://")
            if scheme != "unix":
                raise proc.NotReadableError("the engine is not on this machine")
            return Meter(path, service.process.pid, generator, pid)
    raise proc.NotReadableError("no sandbox waits")


async def _idle_rate(meter: Meter) -> float:
    """CPU seconds that the machine spends in a second in which nothing is asked of it."""
    began, before = time.perf_counter(), meter.read()
    await asyncio.sleep(_IDLE_SECONDS)
    return meter.read().since(before).machine / (time.perf_counter() - began)


async def _window(session: Session, meter: Meter, front: Front) -> tuple[Counters, Load]:
    async with ClosedLoop(front, session.reference, CLIENTS) as clients:
        await clients.drain_pool()
        before = meter.read()
        load = await clients.measure(session.scale.cpu_window)
        counters = meter.read().since(before)
    return counters, load


def split(front: str, windows: list[tuple[Counters, Load, float]]) -> CpuSplit:
    """All windows of one front together, for each execution."""
    executions = sum(len(load.answers) for _, load, _ in windows)
    counters = [counters for counters, _, _ in windows]
    reported = sum(answer.program_cpu_seconds for _, load, _ in windows for answer in load.answers)
    kept = [each.containers for each in counters if each.containers is not None]
    program = sum(kept) if len(kept) == len(counters) else reported
    background = sum(load.seconds * idle for _, load, idle in windows)
    engine = sum(each.engine for each in counters)
    service = sum(each.service for each in counters)
    generator = sum(each.generator for each in counters)
    runtime = sum(each.children for each in counters) - program
    machine = sum(each.machine for each in counters) - background - generator
    milliseconds = 1000.0 / max(1, executions)
    return CpuSplit(
        front=front,
        executions=executions,
        engine=engine * milliseconds,
        shim_and_runtime=runtime * milliseconds,
        service=service * milliseconds,
        program=program * milliseconds,
        kernel=(machine - engine - runtime - service - program) * milliseconds,
        program_from="control group" if kept else "usage that the service reports",
        load_generator=generator * milliseconds,
        background=max(idle for _, _, idle in windows) / (os.cpu_count() or 1),
    )
