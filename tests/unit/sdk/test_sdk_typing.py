"""What a type checker tells a user of the SDK."""

from pathlib import Path

import pytest
from mypy import api

HEAD = """
from code_executor import AsyncClient, Client, Status

def use(client: Client) -> None:
    result = client.execute(language="python", code="print(1)")
"""

GOOD = [
    "text: str = result.stdout",
    "code: int = result.exit_code",
    "ok: bool = result.ok",
    "timed_out: bool = result.status == Status.TIMEOUT",
    "seconds: float = result.run.wall_seconds",
    'client.execute(language="c", input=b"x", files={"a": "b", "c": b"d"}, output_overflow="KILL")',
    "names: list[str] = [language.name for language in client.list_languages().languages]",
    "state: str = client.health().status",
]
BAD = [
    ("number: int = result.stdout", "Incompatible types in assignment"),
    ("result.stdoutt", 'has no attribute "stdoutt"'),
    ('client.execute(code="x")', 'Missing named argument "language"'),
    ('client.execute(langage="c")', 'Unexpected keyword argument "langage"'),
    ('client.execute(language="c", timeout_seconds="5")', "expected"),
    ('client.execute(language="c", output_overflow="KIL")', "expected"),
]


def check(folder: Path, line: str) -> tuple[str, int]:
    program = folder / "program.py"
    program.write_text(f"{HEAD}    {line}\n")
    report, trouble, status = api.run(
        ["--strict", "--no-incremental", "--config-file=", str(program)]
    )
    assert not trouble
    return report, status


def test_what_is_right_passes(tmp_path: Path) -> None:
    report, status = check(tmp_path, "\n    ".join(GOOD))
    assert status == 0, report


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    report, status = check(tmp_path, "\n    ".join(line for line, _ in BAD))
    assert status == 1
    first = HEAD.count("\n") + 1
    for number, (line, words) in enumerate(BAD, first):
        told = [each for each in report.splitlines() if f"program.py:{number}:" in each]
        assert any(words in each for each in told), f"{line}: {told}"


@pytest.mark.parametrize("kind", ["AsyncClient"])
def test_the_async_client_is_typed_too(tmp_path: Path, kind: str) -> None:
    report, status = check(
        tmp_path,
        f"reveal_type({kind}.health)\n    reveal_type({kind}.execute)",
    )
    assert status == 0, report
    assert "HealthResponse" in report
    assert "ExecutionResult" in report
