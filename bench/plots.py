"""The pictures of a run: which figures are shown, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.fronts import DEFAULT_LIMITS, ONE_CORE
from bench.results import AGAIN, BARE, DOCKER, GRPC, REST
from bench.svg import Axis, Chart, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.results import Latency, LoadPoint, Results

_MILLISECONDS = 1000.0
_SUBJECTS = (BARE, GRPC, REST, AGAIN, DOCKER)
# A subject has the same colour in every picture.
_COLOUR = {name: number for number, name in enumerate(_SUBJECTS)}
_HEADROOM = 1.1


def plots(results: Results) -> dict[str, str]:
    """File name to SVG, of what was measured."""
    drawn = {
        "latency.svg": _latency(results, DEFAULT_LIMITS.name),
        "latency-one-core.svg": _latency(results, ONE_CORE.name),
        "ratios.svg": _ratios(results),
        "ceiling.svg": _ceiling(results),
        "growth.svg": _rates(results),
        "growth-latency.svg": _load(
            results, "Latency by clients in a closed loop", results.growth, "{:g}"
        ),
        "open-loop.svg": _load(
            results,
            "Latency at fixed rates, open loop, by share of the sustained rate",
            results.open_loop,
            "{:.0%}",
        ),
        "cpu.svg": _cpu(results),
        "resident.svg": _resident(results),
    }
    return {name: svg for name, svg in drawn.items() if svg}


def _foot(results: Results) -> str:
    machine = results.machine
    return f"{machine.cores} cores, engine {machine.engine}, {machine.runtime}; {results.scale} run"


def _of(results: Results, limits: str) -> list[Latency]:
    return [latency for latency in results.latency if latency.limits == limits]


def _latency(results: Results, limits: str) -> str:
    """Medians in milliseconds, whiskers to p99."""
    found = _of(results, limits)
    if not found:
        return ""
    names = [n for n in _SUBJECTS if any(n in each.subjects for each in found)]
    series = [
        Series(
            name,
            _each(found, lambda each, name=name: _p50(each, name)),  # type: ignore[misc]
            _each(found, lambda each, name=name: _p99(each, name)),  # type: ignore[misc]
            _COLOUR[name],
        )
        for name in names
    ]
    values = [v for each in series for v in (*each.values, *each.high) if v is not None]
    axis = Axis("ms, p50 with whiskers to p99", max(values) * _HEADROOM, True, min(values) / 1.5)
    chart = Chart(f"Hello world, {limits}", _labels(found), axis, foot=_foot(results))
    return chart.bars(series)


def _labels(found: Sequence[Latency]) -> list[str]:
    """Short enough to stand side by side: of a program that is more than a hello, what is special."""
    return [latency.program.rpartition(", ")[2] for latency in found]


def _each(found: Sequence[Latency], value: Callable[[Latency], float | None]) -> list[float | None]:
    return [value(latency) for latency in found]


def _p50(latency: Latency, name: str) -> float | None:
    subject = latency.subjects.get(name)
    return subject.p50 * _MILLISECONDS if subject else None


def _p99(latency: Latency, name: str) -> float | None:
    subject = latency.subjects.get(name)
    return subject.p99 * _MILLISECONDS if subject else None


def _ratios(results: Results) -> str:
    """Multiples of the bare command, with the spread upwards."""
    found = _of(results, ONE_CORE.name)
    if not found:
        return ""
    series = []
    for name in (GRPC, REST, AGAIN):
        estimates = [latency.to_bare.get(name) for latency in found]
        if any(estimates):
            series.append(
                Series(
                    name,
                    [each.value if each else None for each in estimates],
                    [each.high if each else None for each in estimates],
                    _COLOUR[name],
                )
            )
    most = max(v for each in series for v in each.high if v is not None)
    axis = Axis("multiple of the bare command, p50, whiskers to the 95 % bound", most * _HEADROOM)
    chart = Chart(
        "Against the bare compile-and-run command, cpu_limit 1.0",
        _labels(found),
        axis,
        ("the bare command", 1.0),
        _foot(results),
    )
    return chart.bars(series)


def _ceiling(results: Results) -> str:
    measured = results.throughput
    if measured is None:
        return ""
    groups = [f"bare loop, {name} at once" for name in measured.ceiling] + ["service, pool drained"]
    estimates = [*measured.ceiling.values(), measured.service]
    axis = Axis("executions/s, whiskers to the best window", max(e.high for e in estimates) * 1.1)
    chart = Chart(
        "Single-use containers: the engine's ceiling and the service",
        groups,
        axis,
        foot=_foot(results),
    )
    return chart.bars([Series("median", [e.value for e in estimates], [e.high for e in estimates])])


def _rates(results: Results) -> str:
    points = results.growth
    if not points:
        return ""
    axis = Axis("executions/s", max(point.rate for point in points) * _HEADROOM)
    chart = Chart(
        "Rate by clients in a closed loop, pool drained",
        [f"{point.level:g}" for point in points],
        axis,
        foot=_foot(results),
    )
    return chart.lines([Series("answered", [point.rate for point in points])])


def _load(results: Results, title: str, points: Sequence[LoadPoint], form: str) -> str:
    if not points:
        return ""
    series = [
        Series("p50", [point.latency.p50 * _MILLISECONDS for point in points]),
        Series("p95", [point.latency.p95 * _MILLISECONDS for point in points]),
        Series("p99", [point.latency.p99 * _MILLISECONDS for point in points]),
    ]
    values = [value for each in series for value in each.values if value is not None]
    axis = Axis("ms", max(values) * _HEADROOM, True, min(values) / 1.5)
    return Chart(
        title, [form.format(point.level) for point in points], axis, foot=_foot(results)
    ).lines(series)


def _cpu(results: Results) -> str:
    """Parts of the machine's CPU for one execution."""
    if not results.cpu:
        return ""
    parts = ("engine", "shim_and_runtime", "service", "program", "kernel")
    series = [
        Series(part.replace("_", " "), [getattr(split, part) for split in results.cpu])
        for part in parts
    ]
    axis = Axis("ms of CPU", max(split.total for split in results.cpu) * _HEADROOM)
    chart = Chart(
        "CPU of the machine for one execution of Python hello",
        [f"over {split.front}" for split in results.cpu],
        axis,
        foot=_foot(results),
    )
    return chart.stack(series)


def _resident(results: Results) -> str:
    measured = results.resident
    if measured is None:
        return ""
    step = max(1, len(measured.samples) // 12)
    shown = measured.samples[::step]
    axis = Axis("MiB", max(size for _, size in shown) * _HEADROOM)
    chart = Chart(
        "Resident memory of the service by executions",
        [f"{count:,}" for count, _ in shown],
        axis,
        foot=_foot(results),
    )
    return chart.lines([Series("server and gateway", [size for _, size in shown])])
