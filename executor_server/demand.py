"""How many sandboxes of a kind should wait: learned from what is asked for, forgotten when it is not."""

from __future__ import annotations

import math
from dataclasses import dataclass

HALF_LIFE_SECONDS = 30.0
# A sandbox that is used is replaced within about this time, while the engine has other work as well.
REFILL_SECONDS = 1.5
_FORGOTTEN_RATE = 1 / 300


@dataclass(slots=True)
class Demand:
    """Requests of one kind, as a rate that decays."""

    least: int = 0
    """How many wait although nobody has asked."""
    _rate: float = 0.0
    _seen: float = 0.0

    def ask(self, now: float) -> None:
        """Somebody wants one; ``now`` is monotonic, in seconds."""
        self._rate = self.rate(now) + math.log(2) / HALF_LIFE_SECONDS
        self._seen = now

    def rate(self, now: float) -> float:
        """Requests for each second, of late."""
        return self._rate * math.exp2((self._seen - now) / HALF_LIFE_SECONDS)

    def target(self, now: float, most: int) -> int:
        """How many should wait now."""
        rate = self.rate(now)
        wanted = math.ceil(rate * REFILL_SECONDS) + 1 if rate > _FORGOTTEN_RATE else 0
        return min(most, max(self.least, wanted))
