"""How much is measured: the whole benchmark, or a quick look that takes minutes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers of samples and lengths of time. Times are in seconds."""

    name: str
    rounds_python: int
    """Rounds of the language that the bar is strictest about."""
    rounds_interpreted: int
    rounds_compiled: int
    rounds_container: int
    """Rounds in which ``docker run`` takes part: it is slow, and its figure needs few."""
    pause: float
    """After each execution of a latency round, so that what it left to do is done before the next."""
    rounds_way: int
    """Pairs of calls without a sandbox, which show what REST adds to gRPC."""
    windows: int
    """Pairs of windows, the service's and the engine's, of the sustained rate."""
    window: float
    growth_window: float
    clients: tuple[int, ...]
    open_fractions: tuple[float, ...]
    """Of the sustained rate."""
    open_window: float
    cpu_windows: int
    cpu_window: float
    starts: int
    resident_from: int
    """Executions after which the service's memory is taken for settled."""
    resident_to: int
    peer_rounds: int


FULL = Scale(
    name="full",
    rounds_python=300,
    rounds_interpreted=60,
    rounds_compiled=30,
    rounds_container=15,
    pause=0.4,
    rounds_way=2000,
    windows=5,
    window=15.0,
    growth_window=15.0,
    clients=(1, 2, 4, 8, 16, 32, 64),
    open_fractions=(0.25, 0.5, 0.75, 0.9),
    open_window=120.0,
    cpu_windows=3,
    cpu_window=20.0,
    starts=7,
    resident_from=1_000,
    resident_to=20_000,
    peer_rounds=40,
)

QUICK = Scale(
    name="quick",
    rounds_python=25,
    rounds_interpreted=6,
    rounds_compiled=3,
    rounds_container=2,
    pause=0.3,
    rounds_way=200,
    windows=2,
    window=5.0,
    growth_window=3.0,
    clients=(1, 4, 16, 64),
    open_fractions=(0.5, 0.9),
    open_window=10.0,
    cpu_windows=1,
    cpu_window=6.0,
    starts=2,
    resident_from=50,
    resident_to=200,
    peer_rounds=5,
)
