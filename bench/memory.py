"""Memory of a sandbox that waits, and of the service over many executions."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import proc
from bench.load import ClosedLoop
from bench.results import IdleSandbox, Resident
from bench.throughput import CLIENTS
from executor_server.engine.profile import AGENT_PATH

if TYPE_CHECKING:
    from bench.service import RunningService
    from bench.session import Session

AGENT_ALONE = "agent alone"
BAR_EXECUTIONS = 20_000
_MIB = 1024 * 1024
# Samples of resident memory at either end, of which the median is taken, as a share of all.
_END_SHARE = 0.05
_SAMPLE_SECONDS = 3.0


async def measure_idle(session: Session) -> list[IdleSandbox]:
    """Every sandbox that waits after the start, by what waits in it. Raises NotReadableError."""
    found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    async with session.service() as service:
        for container in await session.laboratory.containers(service.process.instance):
            facts = await session.laboratory.inspect(container)
            if facts["State"]["Running"]:
                found[kind(facts)].append(_sizes(int(facts["State"]["Pid"])))
    if not found:
        raise proc.NotReadableError("no sandbox waits")
    return [_idle(name, sizes) for name, sizes in sorted(found.items())]


def kind(facts: dict[str, Any]) -> str:
    """What waits in a container, by its command line: the agent has one argument of its own."""
    if facts["Path"] != AGENT_PATH:
        return str(facts["Path"])
    waiting = facts["Args"][1:]
    return f"with {waiting[0].rpartition('/')[2]}" if waiting else AGENT_ALONE


def _sizes(pid: int) -> tuple[int, int, int]:
    """Bytes: shim proportional, shim resident, container."""
    shim = proc.parent(pid)
    return (
        proc.proportional_bytes(shim),
        proc.resident_bytes(shim),
        proc.container_group(pid).memory_bytes(),
    )


def _idle(name: str, sizes: list[tuple[int, int, int]]) -> IdleSandbox:
    totals = [proportional + container for proportional, _, container in sizes]
    return IdleSandbox(
        kind=name,
        count=len(sizes),
        shim_proportional=median(size[0] for size in sizes) / _MIB,
        shim_resident=median(size[1] for size in sizes) / _MIB,
        container=median(size[2] for size in sizes) / _MIB,
        total=median(totals) / _MIB,
        most=max(totals) / _MIB,
    )


async def measure_resident(session: Session) -> Resident:
    """Resident memory of one service from its first execution to its last."""
    scale = session.scale
    samples: list[tuple[int, float]] = []
    async with (
        session.service() as service,
        ClosedLoop(service.grpc, session.reference, CLIENTS) as clients,
    ):
        done = 0
        while done < scale.resident_to:
            load = await clients.measure(_SAMPLE_SECONDS)
            if not load.answers:
                break
            done += len(load.answers)
            samples.append((done, _resident(service)))
    return resident(samples, scale.resident_from)


def _resident(service: RunningService) -> float:
    return proc.resident_bytes(service.process.pid) / _MIB


def resident(samples: list[tuple[int, float]], first: int) -> Resident:
    """Growth between the samples after ``first`` executions and the last ones.

    Raises ValueError where fewer executions were made.
    """
    settled = [size for count, size in samples if count >= first]
    if not settled:
        raise ValueError(f"no sample after {first} executions: {samples[-1:]}")
    few = max(1, round(_END_SHARE * len(settled)))
    last = samples[-1][0]
    return Resident(
        samples=samples,
        first=first,
        last=last,
        growth=median(settled[-few:]) / median(settled[:few]) - 1,
        complete=last >= BAR_EXECUTIONS,
    )
