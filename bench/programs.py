"""What is run: a hello world in each language, and the plain command that a person would type for it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executor_server.languages import Language

THEN = ";;"
"""Between two commands of which the second runs where the first succeeded."""
INCLUDE_EVERYTHING = "cpp, bits/stdc++.h"
"""Name of the C++ program that includes the whole library."""
_TAG = "@TAG@"

# With the optimisation that the service uses; everything else is as short as the tool allows. Where a
# language has one command that compiles and runs (go run, java Main.java), that is the plain command:
# it is faster than its two halves.
_PLAIN: dict[str, str] = {
    "python": "python3 main.py",
    "javascript": "node main.js",
    "ruby": "ruby main.rb",
    "php": "php main.php",
    "c": f"gcc -O2 -o program main.c {THEN} ./program",
    "cpp": f"g++ -O2 -o program main.cpp {THEN} ./program",
    "go": "go run main.go",
    "java": "java Main.java",
    "rust": f"rustc -Copt-level=2 -o program main.rs {THEN} ./program",
}

_EVERYTHING = """\
#include <bits/stdc++.h>

using namespace std;

int main()
{
    map<string, vector<int>> places;
    vector<string> words = {"Hello", "from", "@TAG@"};
    for (size_t i = 0; i < words.size(); i++)
        places[words[i]].push_back(int(i));
    sort(words.begin(), words.end(), [&](const string &a, const string &b) {
        return places[a] < places[b];
    });
    ostringstream line;
    copy(words.begin(), words.end(), ostream_iterator<string>(line, " "));
    cout << line.str() << accumulate(words.begin(), words.end(), 0,
        [](int sum, const string &word) { return sum + int(word.empty()); }) << endl;
}
"""


@dataclass(frozen=True, slots=True)
class Program:
    """One program in one language; every submission of it is a source that nobody has seen before."""

    name: str
    """What the report calls it: the language, or the language and what is special."""
    language: str
    file_name: str
    template: str
    """Source with a mark where each submission puts a word of its own."""
    expected: str
    """What it prints, with the same mark."""
    plain: tuple[tuple[str, ...], ...]
    """The plain commands, each run where the one before it succeeded."""
    compiled: bool

    def submission(self) -> tuple[str, str]:
        """A source that differs from all others, and what it prints.

        The word is part of what is printed, not a comment: the compiled code differs too, so no cache
        of a tool chain can stand in for its work.
        """
        tag = secrets.token_hex(6)
        return self.template.replace(_TAG, tag), self.expected.replace(_TAG, tag)

    @property
    def shell(self) -> str:
        """The plain commands as one line of shell. No word in them needs quotes."""
        return " && ".join(" ".join(command) for command in self.plain)


class UnknownPlainCommandError(ValueError):
    """A language was added, and nobody has said what its plain command is."""


def hello(language: Language) -> Program:
    """The language's own example. Raises UnknownPlainCommandError."""
    if language.name not in _PLAIN:
        raise UnknownPlainCommandError(
            f"{language.name}: no plain command is known for it; add one in bench/programs.py"
        )
    printed = language.example_output.rstrip("\n")
    return Program(
        name=language.name,
        language=language.name,
        file_name=language.file_name,
        template=language.example.replace(printed, f"{printed} {_TAG}"),
        expected=f"{printed} {_TAG}\n",
        plain=_commands(_PLAIN[language.name]),
        compiled=language.compile is not None,
    )


def everything(cpp: Language) -> Program:
    """A C++ program that includes the whole standard library."""
    return Program(
        name=INCLUDE_EVERYTHING,
        language=cpp.name,
        file_name=cpp.file_name,
        template=_EVERYTHING,
        expected=f"Hello from {_TAG} 0\n",
        plain=_commands(_PLAIN["cpp"]),
        compiled=True,
    )


def _commands(line: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(part.split()) for part in line.split(THEN))
