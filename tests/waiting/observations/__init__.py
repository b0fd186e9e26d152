"""What is promised of waiting processes: the table of observations, a file for each language."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field

from tests.waiting.sandbox import Observed, Program


@dataclass(frozen=True)
class Same:
    """A program that sees no difference: stdout, stderr and exit code are those of the cold command."""

    name: str
    program: Program
    shows: str
    """Is in what the cold command writes: the program got as far as it was meant to."""
    exit_code: int = 0
    mask: str = r"(?!)"
    """What differs between two runs of the cold command as well (addresses), as a regular expression."""

    def masked(self, observed: Observed) -> tuple[str, str, int]:
        """What must be equal."""
        stdout, stderr = (re.sub(self.mask, "#", s) for s in (observed.stdout, observed.stderr))
        return stdout, stderr, observed.exit_code


@dataclass(frozen=True)
class Differs:
    """A difference that is known and documented: both sides are asserted, as regular expressions."""

    name: str
    program: Program
    cold: str
    waiting: str
    because: str


@dataclass(frozen=True)
class StartsCold:
    """The data of the language keep this program away from a waiting process."""

    name: str
    program: Program
    because: str


@dataclass(frozen=True)
class Table:
    """Everything that is promised for one language."""

    language: str
    same: list[Same]
    random: list[Program] = field(default_factory=list)
    """Programs of which no two runs print the same."""
    differs: list[Differs] = field(default_factory=list)
    cold: list[StartsCold] = field(default_factory=list)


def code(text: str) -> str:
    """A program, written with the indentation of what is around it."""
    return textwrap.dedent(text).lstrip("\n")
