"""Everything that a run has measured, as plain values: what is written to results.json.

Times are in seconds, rates in executions for each second, memory in MiB, unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.stats import Estimate, Summary

BARE, GRPC, REST, AGAIN, DOCKER = "bare", "gRPC", "REST", "gRPC, same source again", "docker run"
"""The subjects of a latency measurement."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured."""

    processor: str
    cores: int
    memory_mb: int
    kernel: str
    engine: str
    runtime: str
    cgroup_version: str
    python: str
    background: float
    """Share of the machine that was busy before anything was measured: 0 is a quiet machine."""


@dataclass(frozen=True, slots=True)
class Latency:
    """One program at one setting of limits: its subjects took turns."""

    program: str
    language: str
    limits: str
    subjects: dict[str, Summary]
    to_bare: dict[str, Estimate]
    """Median of each subject as a multiple of the bare command's."""
    rest_added: Estimate
    """Median of REST minus median of gRPC."""
    warm_share: float


@dataclass(frozen=True, slots=True)
class Way:
    """A call that needs no sandbox, over both fronts in turns: what a front itself costs."""

    grpc: Summary
    rest: Summary
    added: Estimate


@dataclass(frozen=True, slots=True)
class Throughput:
    """Sustained single-use executions, the pool drained, against the engine's own ceiling."""

    ceiling: dict[str, Estimate]
    """Rate of the bare loop by its concurrency."""
    best: str
    """Concurrency of the highest median."""
    clients: int
    service: Estimate
    share: Estimate
    """Service over the best ceiling, round by round."""
    latency: Summary


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One load: ``level`` clients in a closed loop, or a share of the sustained rate in an open one."""

    level: float
    rate: float
    """Answered."""
    latency: Summary
    tail: Estimate
    """p99 over p50 of the same answers."""
    refused: int
    warm_share: float


@dataclass(frozen=True, slots=True)
class CpuSplit:
    """CPU of the whole machine for one execution, in milliseconds, by who spent it."""

    front: str
    executions: int
    engine: float
    shim_and_runtime: float
    service: float
    program: float
    kernel: float
    """The rest: kernel threads and what no process is charged for. Far from it where the machine was not
    quiet, since other work then gets less of it under load than before."""
    program_from: str
    load_generator: float
    """Left out of the total."""
    background: float
    """Share of the machine that was busy while nothing was asked of the service; taken off."""

    @property
    def total(self) -> float:
        """Of all parts but the load generator."""
        return (
            self.engine + self.shim_and_runtime + self.service + self.program + max(0, self.kernel)
        )

    @property
    def service_share(self) -> float:
        """Server and gateway as a share of the total."""
        return self.service / self.total


@dataclass(frozen=True, slots=True)
class IdleSandbox:
    """Memory of sandboxes that wait, medians, in MiB."""

    kind: str
    """``agent alone``, or what waits in it."""
    count: int
    shim_proportional: float
    shim_resident: float
    container: float
    """The container's control group without droppable files."""
    total: float
    """Shim (proportional) and container."""
    most: float


@dataclass(frozen=True, slots=True)
class Resident:
    """Resident memory of the service over many executions."""

    samples: list[tuple[int, float]]
    """Executions so far, MiB."""
    first: int
    last: int
    growth: float
    """0.05 is 5 % more at ``last`` than at ``first``."""
    complete: bool
    """Measured as far as the bar asks."""


@dataclass(frozen=True, slots=True)
class Start:
    """From the start of the process to its first answer, images present."""

    seconds: Summary


@dataclass(frozen=True, slots=True)
class PeerResult:
    """Another executor on the same machine, or why it was left out."""

    name: str
    left_out: str = ""
    latency: Summary | None = None
    service: Summary | None = None
    """The service over gRPC, in turns with it."""
    to_service: Estimate | None = None
    """Its median as a multiple of the service's."""


@dataclass(slots=True)
class Results:
    """What one run has measured; a part that was not measured is None or empty."""

    machine: Machine
    scale: str
    languages: list[str]
    docker_run: str
    partial: bool = False
    seconds: float = 0.0
    latency: list[Latency] = field(default_factory=list)
    way: Way | None = None
    throughput: Throughput | None = None
    growth: list[LoadPoint] = field(default_factory=list)
    open_loop: list[LoadPoint] = field(default_factory=list)
    cpu: list[CpuSplit] = field(default_factory=list)
    idle: list[IdleSandbox] = field(default_factory=list)
    resident: Resident | None = None
    start: Start | None = None
    peers: list[PeerResult] = field(default_factory=list)
