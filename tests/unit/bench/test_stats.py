"""Statistics: percentiles that were seen, ratios with their spread."""

import pytest

from bench import stats
from bench.stats import Estimate


def test_percentile_is_a_sample_that_was_seen() -> None:
    samples = [float(number) for number in range(20, 0, -1)]
    assert stats.percentile(samples, 0.50) == 10
    assert stats.percentile(samples, 0.95) == 19
    assert stats.percentile(samples, 0.99) == 20
    assert stats.percentile(samples, 0.0) == 1
    assert stats.percentile([7.0], 0.99) == 7


def test_no_samples_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        stats.percentile([], 0.5)
    with pytest.raises(ValueError, match="no rounds"):
        stats.of_rounds([])


def test_summary_names_the_extremes() -> None:
    found = stats.summary([3.0, 1.0, 2.0])
    assert (found.count, found.least, found.p50, found.most) == (3, 1.0, 2.0, 3.0)


def test_ratio_of_medians_lies_within_its_spread() -> None:
    base = [1.0 + 0.01 * (number % 7) for number in range(50)]
    samples = [2 * value for value in base]
    found = stats.ratio(samples, base)
    assert found.value == pytest.approx(2.0)
    assert found.low <= found.value <= found.high
    assert found.low == pytest.approx(2.0, abs=0.1)
    assert found.high == pytest.approx(2.0, abs=0.1)


def test_spread_grows_with_the_noise_and_is_the_same_each_time() -> None:
    base = [1.0] * 30
    calm = stats.ratio([2.0 + 0.01 * (number % 5) for number in range(30)], base)
    wild = stats.ratio([2.0 + 0.50 * (number % 5) for number in range(30)], base)
    assert wild.high - wild.low > 5 * (calm.high - calm.low)
    assert wild == stats.ratio([2.0 + 0.50 * (number % 5) for number in range(30)], base)


def test_difference_and_tail() -> None:
    assert stats.difference([0.012] * 9, [0.010] * 9).value == pytest.approx(0.002)
    assert stats.tail([1.0] * 98 + [6.0] * 2).value == 6.0
    assert stats.tail([1.0] * 99 + [6.0]).value == 1.0


def test_rounds_show_the_least_and_the_most() -> None:
    assert stats.of_rounds([3.0, 1.0, 2.0]) == Estimate(2.0, 1.0, 3.0)
