"""How many sandboxes should wait: learned from what is asked for, forgotten when it is not."""

from __future__ import annotations

from executor_server.demand import HALF_LIFE_SECONDS, Demand


def asked(times: int, every: float) -> Demand:
    demand = Demand()
    for number in range(times):
        demand.ask(number * every)
    return demand


def test_nobody_has_asked() -> None:
    assert Demand().target(1000.0, 32) == 0
    assert Demand(least=1).target(1000.0, 32) == 1


def test_one_who_has_asked_may_ask_again() -> None:
    demand = asked(1, 0)
    assert demand.target(0.0, 32) >= 1
    assert demand.target(HALF_LIFE_SECONDS * 20, 32) == 0


def test_a_steady_rate_is_learned() -> None:
    demand = asked(1000, 0.1)
    assert 8 < demand.rate(100.0) < 11
    assert demand.rate(100.0 + HALF_LIFE_SECONDS) < 5.5


def test_more_is_wanted_for_more_and_never_more_than_the_most() -> None:
    slow, fast = asked(100, 1.0), asked(1000, 0.1)
    assert 1 < slow.target(100.0, 32) < fast.target(100.0, 32)
    assert fast.target(100.0, 5) == 5
