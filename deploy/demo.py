"""Runs the example of every language on a running service and prints what each one took.

demo.py [ADDRESS]      host:port of the service's gRPC front, localhost:50051 by default

Exits with 1 unless every language answered as it should.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_executor import Client, CodeExecutorError, Status
from code_executor.v1.executor_pb2 import LanguageVersion

if TYPE_CHECKING:
    from code_executor import ExecutionResult
    from code_executor.v1.executor_pb2 import Language

_COLUMNS = ("language", "version", "total ms", "setup", "compile", "run", "MiB", "status", "output")
_LAYOUT = "{:<11} {:<10} {:>8} {:>7} {:>8} {:>7} {:>5} {:<15} {}\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    cells: tuple[str, ...]
    ok: bool


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"


def _answered(language: Language, version: str, result: ExecutionResult, seconds: float) -> Row:
    timings = result.timings
    stages = (timings.setup_seconds, timings.compile_seconds, timings.run_seconds)
    shown = (result.stdout or result.stderr).strip().partition("\n")[0]
    cells = (
        language.name,
        version,
        *map(_milliseconds, (seconds, *stages)),
        str(result.memory_used_mb),
        Status.Name(result.status),
        shown,
    )
    return Row(cells, result.ok)


def _without_answer(language: Language, version: str, state: str, reason: str) -> Row:
    return Row((language.name, version, "-", "-", "-", "-", "-", state, reason), False)


def _run(client: Client, language: Language, version: LanguageVersion) -> Row:
    if version.state != LanguageVersion.READY:
        state = LanguageVersion.State.Name(version.state)
        return _without_answer(language, version.version, state, version.reason)
    began = time.perf_counter()
    try:
        result = client.execute(
            language=language.name, version=version.version, code=language.example
        )
    except CodeExecutorError as failure:
        return _without_answer(language, version.version, type(failure).__name__, str(failure))
    return _answered(language, version.version, result, time.perf_counter() - began)


def _print_table(client: Client) -> bool:
    complete = True
    languages = client.list_languages().languages
    sys.stdout.write(_LAYOUT.format(*_COLUMNS))
    for language in languages:
        for version in language.versions:
            row = _run(client, language, version)
            sys.stdout.write(_LAYOUT.format(*row.cells))
            sys.stdout.flush()
            complete = complete and row.ok
    return complete


def main() -> int:
    """Print the table of one service."""
    address = sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"
    try:
        with Client(address) as client:
            complete = _print_table(client)
    except CodeExecutorError as failure:
        sys.stderr.write(f"demo: the service at {address} does not answer: {failure}\n")
        sys.stderr.write("Start it with 'make run', or name another: make demo ARGS=host:port\n")
        return 1
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
