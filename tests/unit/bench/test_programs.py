"""Programs: a plain command for each language, and sources that nobody has seen."""

from dataclasses import replace

import pytest

from bench.programs import UnknownPlainCommandError, everything, hello
from tests.unit.bench.results import LANGUAGES


def test_every_language_has_a_plain_command_and_submissions_differ() -> None:
    for language in LANGUAGES:
        program = hello(language)
        first, second = program.submission(), program.submission()
        assert first != second
        for source, printed in (first, second):
            tag = printed.split()[-1]
            assert tag in source, f"{language.name}: what is printed is not in the source"
            assert printed.startswith(language.example_output.rstrip("\n"))


def test_a_language_without_plain_command_is_an_error_that_says_where() -> None:
    unknown = replace(next(iter(LANGUAGES)), name="befunge")
    with pytest.raises(UnknownPlainCommandError, match=r"befunge.*bench/programs.py"):
        hello(unknown)


def test_plain_commands_as_shell_and_as_steps() -> None:
    cpp = LANGUAGES.find("cpp")
    assert cpp is not None
    program = everything(cpp)
    assert program.plain == (("g++", "-O2", "-o", "program", "main.cpp"), ("./program",))
    assert program.shell == "g++ -O2 -o program main.cpp && ./program"
    assert "bits/stdc++.h" in program.template
