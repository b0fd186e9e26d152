"""The demonstration: a table with one line for each language, from a running service."""

from __future__ import annotations

import subprocess
import sys

from executor_server.language_file import load_languages
from tests.service import ROOT, Service, free_port

LANGUAGES = load_languages(ROOT / "languages")
COLUMNS = [
    "language",
    "version",
    "total",
    "ms",
    "setup",
    "compile",
    "run",
    "MiB",
    "status",
    "output",
]


def demo(address: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [sys.executable, ROOT / "deploy" / "demo.py", address],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_language_says_hello_with_its_times(service: Service) -> None:
    service.wait_until_ready(*(language.name for language in LANGUAGES))
    done = demo(service.grpc_address)
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = (line.split() for line in done.stdout.splitlines())
    assert head == COLUMNS
    assert {row[0]: " ".join(row[8:]) for row in rows} == {
        language.name: language.example_output.strip() for language in LANGUAGES
    }
    for _, version, *times, memory, status in (row[:8] for row in rows):
        assert version[0].isdigit()
        total, _, compiling, running = map(int, times)
        assert total >= max(compiling, running)
        assert (int(memory) > 0, status) == (True, "OK")


def test_a_service_that_is_not_there_says_what_to_do() -> None:
    done = demo(f"127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "make run" in done.stderr
