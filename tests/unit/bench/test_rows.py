"""The bar: each row is met, missed or left open by its own figure."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench import stats
from bench.fronts import DEFAULT_LIMITS, ONE_CORE, Limits
from bench.programs import INCLUDE_EVERYTHING
from bench.results import AGAIN, GRPC, Results, Start
from bench.rows import AT_LEAST, AT_MOST, Row, rows
from tests.unit.bench.results import exactly, whole


def row(results: Results, words: str) -> Row:
    found = [each for each in rows(results) if words in each.name]
    assert len(found) == 1, f"{words}: {[each.name for each in found]}"
    return found[0]


def test_a_bound_is_met_on_its_own_side_and_never_without_a_figure() -> None:
    assert Row("", 1.0, AT_MOST, "", exactly(1.0)).met is True
    assert Row("", 1.0, AT_MOST, "", exactly(1.1)).met is False
    assert Row("", 0.95, AT_LEAST, "", exactly(0.96)).met is True
    assert Row("", 0.95, AT_LEAST, "", exactly(0.94)).met is False
    assert Row("", 1.0, AT_MOST, "", None).met is None
    assert Row("", 1.0, AT_MOST, "", exactly(0.1), conclusive=False).met is None


def test_every_row_of_a_whole_run_is_measured_and_met() -> None:
    results = whole()
    assert {each.name: each.met for each in rows(results) if each.met is not True} == {}
    languages, second = len(results.languages) - 1, 4
    assert len(rows(results)) == 9 + languages + second


def test_a_run_that_measured_nothing_meets_nothing() -> None:
    nothing = Results(whole().machine, "quick", ["python", "go"], "command line")
    assert {each.met for each in rows(nothing)} == {None}


Change = Callable[[Results], None]


def _miss_tail(results: Results) -> None:
    results.open_loop[1] = replace(results.open_loop[1], tail=exactly(5.1))


def _miss_share(results: Results) -> None:
    assert results.throughput
    results.throughput = replace(results.throughput, share=exactly(0.9))


def _miss_cpu(results: Results) -> None:
    results.cpu[1] = replace(results.cpu[1], service=20.0)


def _miss_idle(results: Results) -> None:
    results.idle[0] = replace(results.idle[0], total=4.6)


def _miss_growth(results: Results) -> None:
    assert results.resident
    results.resident = replace(results.resident, growth=0.06)


def _miss_start(results: Results) -> None:
    results.start = Start(stats.summary([2.1, 2.2]))


def _miss(program: str, limits: Limits, subject: str, value: float) -> Change:
    def change(results: Results) -> None:
        results.latency = [
            replace(each, to_bare={**each.to_bare, subject: exactly(value)})
            if (each.program, each.limits) == (program, limits.name)
            else each
            for each in results.latency
        ]

    return change


def _miss_rest(results: Results) -> None:
    results.latency = [replace(each, rest_added=exactly(0.0011)) for each in results.latency]


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("Python hello", _miss("python", DEFAULT_LIMITS, GRPC, 0.71)),
        ("p99 of the same", _miss_tail),
        ("java hello, p50", _miss("java", ONE_CORE, GRPC, 1.01)),
        ("rust hello, second", _miss("rust", ONE_CORE, AGAIN, 0.31)),
        ("bits/stdc++.h", _miss(INCLUDE_EVERYTHING, ONE_CORE, GRPC, 0.51)),
        ("sustained executions", _miss_share),
        ("CPU of server", _miss_cpu),
        ("REST over gRPC", _miss_rest),
        ("idle sandbox", _miss_idle),
        ("resident memory", _miss_growth),
        ("service start", _miss_start),
    ],
)
def test_each_row_is_missed_by_its_own_figure_alone(words: str, change: Change) -> None:
    results = whole()
    change(results)
    assert row(results, words).met is False
    assert [each.name for each in rows(results) if each.met is not True] == [
        row(results, words).name
    ]


def test_a_service_that_makes_every_request_wait_does_not_meet_the_tail() -> None:
    results = whole()
    slow = stats.summary([0.500, 0.501, 0.502])
    results.open_loop[1] = replace(results.open_loop[1], latency=slow, tail=exactly(1.004))
    found = row(results, "p99 of the same")
    assert found.met is False
    assert found.measured
    assert found.measured.value == pytest.approx(0.503 / 0.011, rel=0.01)


def test_rows_that_cannot_be_concluded() -> None:
    results = whole()
    assert results.resident
    results.open_loop[1] = replace(results.open_loop[1], refused=1)
    results.cpu[1] = replace(results.cpu[1], background=0.5)
    results.resident = replace(results.resident, complete=False)
    for words in ("p99 of the same", "CPU of server", "resident memory"):
        assert row(results, words).met is None, words
