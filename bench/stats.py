"""Statistics of what was measured: percentiles that were really observed, ratios with their spread."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

_RESAMPLES = 1000
_LOW, _HIGH = 0.025, 0.975
# The spread of the same samples is the same every time that it is computed.
_SEED = 20

Combine = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Summary:
    """Samples of one kind, in seconds."""

    count: int
    p50: float
    p95: float
    p99: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the interval in which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that is no smaller than ``share`` of them (nearest rank, never interpolated).

    Raises ValueError where there is no sample.
    """
    if not samples:
        raise ValueError("no samples: a percentile needs at least one")
    ordered = sorted(samples)
    # Rounded first: 0.95 * 20 is a little more than 19 in floating point.
    rank = math.ceil(round(share * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


def summary(samples: Sequence[float]) -> Summary:
    """Raises ValueError where there is no sample."""
    return Summary(
        count=len(samples),
        p50=percentile(samples, 0.50),
        p95=percentile(samples, 0.95),
        p99=percentile(samples, 0.99),
        least=min(samples),
        most=max(samples),
    )


def ratio(samples: Sequence[float], base: Sequence[float]) -> Estimate:
    """Median of ``samples`` as a multiple of the median of ``base``."""
    return _bootstrap(samples, base, lambda a, b: a / b)


def difference(samples: Sequence[float], base: Sequence[float]) -> Estimate:
    """Median of ``samples`` minus the median of ``base``."""
    return _bootstrap(samples, base, lambda a, b: a - b)


def tail(samples: Sequence[float], share: float = 0.99) -> Estimate:
    """A high percentile as a multiple of the median of the same samples."""
    chance = random.Random(_SEED)
    drawn = sorted(
        percentile(again, share) / percentile(again, 0.5)
        for again in (chance.choices(samples, k=len(samples)) for _ in range(_RESAMPLES))
    )
    value = percentile(samples, share) / percentile(samples, 0.5)
    return Estimate(value, percentile(drawn, _LOW), percentile(drawn, _HIGH))


def of_rounds(values: Sequence[float]) -> Estimate:
    """Median of a figure that every round of a measurement has given, with the least and the most."""
    if not values:
        raise ValueError("no rounds: an estimate needs at least one")
    return Estimate(median(values), min(values), max(values))


def _bootstrap(samples: Sequence[float], base: Sequence[float], combine: Combine) -> Estimate:
    """Draw both again with replacement, many times: the middle 95 % of what comes out is the spread."""
    chance = random.Random(_SEED)
    drawn = sorted(
        combine(
            percentile(chance.choices(samples, k=len(samples)), 0.5),
            percentile(chance.choices(base, k=len(base)), 0.5),
        )
        for _ in range(_RESAMPLES)
    )
    value = combine(percentile(samples, 0.5), percentile(base, 0.5))
    return Estimate(value, percentile(drawn, _LOW), percentile(drawn, _HIGH))
