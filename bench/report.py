"""What is told: tables on the terminal, results.json and the plots beside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.plots import plots
from bench.results import BARE
from bench.rows import NOT_MEASURED, QUIET, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.results import (
        CpuSplit,
        IdleSandbox,
        Latency,
        LoadPoint,
        PeerResult,
        Results,
        Throughput,
    )
    from bench.rows import Row
    from bench.stats import Estimate


def write(results: Results, folder: Path) -> None:
    """``results.json`` and ``plots/*.svg``; a plot that this run has no figures for goes."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for stale in (folder / "plots").glob("*.svg"):
        stale.unlink()
    for name, svg in plots(results).items():
        (folder / "plots" / name).write_text(svg)
    (folder / "results.json").write_text(json.dumps(document(results), indent=2) + "\n")


def document(results: Results) -> dict[str, object]:
    """Everything that was measured and the bar, as plain values."""
    bar = [asdict(row) | {"met": row.met} for row in rows(results)]
    return {"bar": bar, **asdict(results)}


def machine_lines(results: Results) -> Iterator[str]:
    """Where it was measured, and whether it was quiet."""
    machine = results.machine
    yield (
        f"{machine.cores} x {machine.processor}, {machine.memory_mb} MiB, Linux {machine.kernel}, "
        f"engine {machine.engine}, {machine.runtime}, cgroup {machine.cgroup_version}"
    )
    if machine.background > QUIET:
        yield (
            f"NOT QUIET: {machine.background:.0%} of the machine was busy before anything was "
            "measured; these figures are worth little"
        )


def latency_lines(latency: Latency) -> Iterator[str]:
    """One line for each subject, in milliseconds, with its ratio."""
    yield f"{latency.program}, {latency.limits} ({latency.warm_share:.0%} warm)"
    for name, subject in latency.subjects.items():
        multiple = "" if name == BARE else f"   {_spread(latency.to_bare[name])} of bare"
        yield (
            f"  {name:<24} p50 {subject.p50 * 1000:8.1f}  p95 {subject.p95 * 1000:8.1f}  "
            f"p99 {subject.p99 * 1000:8.1f} ms  n {subject.count:4}{multiple}"
        )
    added = latency.rest_added
    yield (
        f"  REST adds {added.value * 1000:.2f} ms [{added.low * 1000:.2f}, {added.high * 1000:.2f}]"
    )


def throughput_lines(measured: Throughput) -> Iterator[str]:
    """The bare loop at each concurrency, the service, and the share."""
    for name, rate in measured.ceiling.items():
        yield f"  ceiling, {name} at once   {_spread(rate)} /s"
    yield f"  service, {measured.clients} clients   {_spread(measured.service)} /s"
    yield f"  share of the ceiling at {measured.best}   {_spread(measured.share)}"


def load_line(kind: str, point: LoadPoint) -> str:
    """One load."""
    latency = point.latency
    return (
        f"  {kind:<14} {point.rate:6.2f} /s  p50 {latency.p50 * 1000:8.1f}  "
        f"p95 {latency.p95 * 1000:8.1f}  p99 {latency.p99 * 1000:8.1f} ms  "
        f"p99/p50 {_spread(point.tail)}  n {latency.count}  warm {point.warm_share:.0%}  "
        f"refused {point.refused}"
    )


def cpu_lines(split: CpuSplit) -> Iterator[str]:
    """Who spends what, in milliseconds and as a share."""
    yield (
        f"  over {split.front}: {split.total:.1f} ms for each of {split.executions} executions "
        f"(and {split.load_generator:.1f} of the load generator)"
    )
    for part in ("engine", "shim_and_runtime", "service", "program", "kernel"):
        spent = getattr(split, part)
        yield f"    {part.replace('_', ' '):<18} {spent:8.2f} ms  {spent / split.total:6.1%}"


def idle_line(idle: IdleSandbox) -> str:
    """Memory of one kind of sandbox that waits."""
    return (
        f"  {idle.kind:<18} {idle.total:6.2f} MiB (shim {idle.shim_proportional:.2f} of "
        f"{idle.shim_resident:.1f} resident, container {idle.container:.2f}), most {idle.most:.2f}, "
        f"n {idle.count}"
    )


def peer_line(peer: PeerResult) -> str:
    """One peer, or why it is not there."""
    if peer.latency is None or peer.to_service is None:
        return f"  {peer.name:<14} left out: {peer.left_out}"
    return (
        f"  {peer.name:<14} p50 {peer.latency.p50 * 1000:8.1f} ms  "
        f"{_spread(peer.to_service)} of the service's"
    )


def bar_lines(results: Results) -> Iterator[str]:
    """The bar, a line for each row."""
    for row in rows(results):
        yield f"  {_verdict(row):<7} {row.name:<72} {_measured(row)}"


def _verdict(row: Row) -> str:
    return {True: "met", False: "MISSED", None: "-"}[row.met]


def _measured(row: Row) -> str:
    bound = f"{row.sense} {row.bound:g}"
    if row.measured is None:
        return f"{bound}: {NOT_MEASURED}"
    note = f"; {row.note}" if row.note else ""
    return f"{bound}: {_spread(row.measured)} {row.unit}{note}"


def _spread(estimate: Estimate) -> str:
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
