"""The bar: each row of the table as data, with what was measured and whether that meets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.fronts import DEFAULT_LIMITS, ONE_CORE
from bench.memory import AGENT_ALONE
from bench.programs import INCLUDE_EVERYTHING
from bench.results import AGAIN, GRPC, REST
from bench.session import REFERENCE
from bench.stats import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.results import Latency, LoadPoint, Results

AT_MOST, AT_LEAST = "at most", "at least"
NOT_MEASURED = "not measured in this run"
_CACHED = ("go", "java", "cpp", "rust")
_HALF = 0.5
QUIET = 0.05
"""Most of the machine that may be busy with other things while it is measured."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the bar."""

    name: str
    bound: float
    sense: str
    unit: str
    measured: Estimate | None
    """None where this run has not measured it."""
    note: str = ""
    conclusive: bool = True
    """False where what was measured is too little to say that the bound is met."""

    @property
    def met(self) -> bool | None:
        """None where it cannot be said."""
        if self.measured is None or not self.conclusive:
            return None
        value = self.measured.value
        return value <= self.bound if self.sense == AT_MOST else value >= self.bound


def rows(results: Results) -> list[Row]:
    """The whole table, in its order."""
    return [
        _python(results),
        _tail(results),
        *_languages(results),
        *_second_submissions(results),
        _everything(results),
        _share(results),
        _service_cpu(results),
        _rest_added(results),
        _idle(results),
        _growth(results),
        _start(results),
    ]


def _latency(results: Results, program: str, limits: str) -> Latency | None:
    return next(
        (each for each in results.latency if (each.program, each.limits) == (program, limits)), None
    )


def _to_bare(results: Results, program: str, limits: str, subject: str) -> Estimate | None:
    found = _latency(results, program, limits)
    return found.to_bare.get(subject) if found else None


def _python(results: Results) -> Row:
    return Row(
        "Python hello, p50 over gRPC, default limits, to bare",
        0.7,
        AT_MOST,
        "times",
        _to_bare(results, REFERENCE, DEFAULT_LIMITS.name, GRPC),
        "aim: 0.5",
    )


def _tail(results: Results) -> Row:
    """Over the smaller of two medians: a service that makes every request wait must not meet it."""
    point = next((point for point in results.open_loop if point.level == _HALF), None)
    unhurried = _latency(results, REFERENCE, DEFAULT_LIMITS.name)
    refused = point is not None and point.refused > 0
    return Row(
        "p99 of the same at half of the sustained rate, open loop, to its p50",
        5.0,
        AT_MOST,
        "times",
        _strict_tail(point, unhurried) if point else None,
        f"{point.refused} requests were refused" if point and refused else "",
        conclusive=not refused,
    )


def _strict_tail(point: LoadPoint, unhurried: Latency | None) -> Estimate:
    own = point.latency.p50
    p50 = min(own, unhurried.subjects[GRPC].p50) if unhurried else own
    tail, scale = point.tail, own / p50
    return Estimate(tail.value * scale, tail.low * scale, tail.high * scale)


def _languages(results: Results) -> Iterator[Row]:
    for name in results.languages:
        if name != REFERENCE:
            yield Row(
                f"{name} hello, p50, cpu_limit 1.0, to bare compile-and-run",
                1.0,
                AT_MOST,
                "times",
                _to_bare(results, name, ONE_CORE.name, GRPC),
            )


def _second_submissions(results: Results) -> Iterator[Row]:
    for name in _CACHED:
        if name in results.languages:
            yield Row(
                f"{name} hello, second submission of the same source, to bare",
                0.3,
                AT_MOST,
                "times",
                _to_bare(results, name, ONE_CORE.name, AGAIN),
            )


def _everything(results: Results) -> Row:
    return Row(
        "C++ with bits/stdc++.h at -O2, to bare g++",
        0.5,
        AT_MOST,
        "times",
        _to_bare(results, INCLUDE_EVERYTHING, ONE_CORE.name, GRPC),
    )


def _share(results: Results) -> Row:
    measured = results.throughput
    return Row(
        "sustained executions/s, pool drained, to the engine's ceiling",
        0.95,
        AT_LEAST,
        "times",
        measured.share if measured else None,
        f"best ceiling at {measured.best} concurrent" if measured else "",
    )


def _service_cpu(results: Results) -> Row:
    """Over REST, since only there both parts work."""
    split = next((split for split in results.cpu if split.front == REST), None)
    share = split.service_share if split else None
    quiet = split is None or split.background <= QUIET
    return Row(
        "CPU of server and gateway, of the machine's for one execution",
        0.05,
        AT_MOST,
        "share",
        None if share is None else Estimate(share, share, share),
        "over REST, where both parts work"
        + ("" if quiet else "; the machine was not quiet, so its part is not known"),
        conclusive=quiet,
    )


def _rest_added(results: Results) -> Row:
    found = _latency(results, REFERENCE, DEFAULT_LIMITS.name)
    added = found.rest_added if found else None
    return Row(
        "REST over gRPC, added p50",
        1.0,
        AT_MOST,
        "ms",
        Estimate(*(1000 * part for part in (added.value, added.low, added.high)))
        if added
        else None,
        "Python hello, default limits",
    )


def _idle(results: Results) -> Row:
    found = next((idle for idle in results.idle if idle.kind == AGENT_ALONE), None)
    return Row(
        "memory of an idle sandbox with the agent alone, shim included",
        4.5,
        AT_MOST,
        "MiB",
        Estimate(found.total, found.total, found.most) if found else None,
        f"median of {found.count}, up to the most" if found else "",
    )


def _growth(results: Results) -> Row:
    found = results.resident
    growth = found.growth if found else None
    return Row(
        "resident memory of the service, growth from execution 1,000 to 20,000",
        0.05,
        AT_MOST,
        "share",
        None if growth is None else Estimate(growth, growth, growth),
        f"measured from {found.first} to {found.last}" if found else "",
        conclusive=found is None or found.complete,
    )


def _start(results: Results) -> Row:
    seconds = results.start.seconds if results.start else None
    return Row(
        "service start to first answer, images present",
        2.0,
        AT_MOST,
        "s",
        Estimate(seconds.p50, seconds.least, seconds.most) if seconds else None,
    )
