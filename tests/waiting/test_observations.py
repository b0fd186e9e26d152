"""The promise of waiting processes: nobody can tell one from the cold command, as far as the table goes."""

from __future__ import annotations

import re

import pytest

from tests.waiting.conftest import Containers
from tests.waiting.observations import (
    Differs,
    Same,
    StartsCold,
    java,
    javascript,
    php,
    python,
    ruby,
)
from tests.waiting.sandbox import Program

TABLES = [python.TABLE, javascript.TABLE, ruby.TABLE, php.TABLE, java.TABLE]


def _rows(kind: str) -> list[pytest.param]:  # type: ignore[valid-type]
    return [
        pytest.param(table.language, row, id=f"{table.language}: {getattr(row, 'name', index)}")
        for table in TABLES
        for index, row in enumerate(getattr(table, kind))
    ]


@pytest.mark.parametrize(("language", "row"), _rows("same"))
def test_same(container: Containers, language: str, row: Same) -> None:
    cold = container(language).cold(row.program)
    assert (row.shows in cold.stdout + cold.stderr, cold.exit_code) == (True, row.exit_code), cold
    assert not container(language).must_start_cold(row.program)
    assert row.masked(container(language).waiting(row.program)) == row.masked(cold)


@pytest.mark.parametrize(("language", "program"), _rows("random"))
def test_no_two_runs_are_alike(container: Containers, language: str, program: Program) -> None:
    runs = [container(language).waiting(program) for _ in range(3)]
    assert all(run.exit_code == 0 for run in runs), runs
    assert len({run.stdout for run in runs}) == len(runs)


@pytest.mark.parametrize(("language", "row"), _rows("differs"))
def test_known_difference(container: Containers, language: str, row: Differs) -> None:
    cold, waiting = container(language).cold(row.program), container(language).waiting(row.program)
    assert re.fullmatch(row.cold, cold.stdout.strip()), cold
    assert re.fullmatch(row.waiting, waiting.stdout.strip()), waiting


@pytest.mark.parametrize(("language", "row"), _rows("cold"))
def test_starts_cold(container: Containers, language: str, row: StartsCold) -> None:
    assert container(language).must_start_cold(row.program), row.because


@pytest.mark.parametrize("language", [table.language for table in TABLES])
def test_another_command_is_never_taken_for_the_own(container: Containers, language: str) -> None:
    """It is executed, or refused aloud by a runtime that cannot execute anything in its place."""
    ended = container(language).waiting_for_another(("sh", "absent.sh"))
    if language == "javascript":
        assert (ended.exit_code, "this process waits with the options" in ended.stderr) == (1, True)
    else:
        assert ("absent.sh" in ended.stderr, ended.exit_code, ended.stdout) == (True, 2, ""), ended
