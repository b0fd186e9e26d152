"""The parser of the server's bytes under a fuzzer, for as long as a test may take.

`make -C agent fuzz && agent/build/fuzz-conversation FOLDER` goes on from there.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.agent import wire
from tests.agent.conftest import make
from tests.agent.test_violations import FILE, VIOLATIONS, frame

SECONDS = 8


# Every event that there is.
WHOLE = (
    FILE
    + frame(wire.DATA, bytes(10), wire.FILES)
    + frame(wire.RUN, wire.Command(["sh", "-c", "true"], collect=["a/b", "c"]).payload())
    + frame(wire.DATA, b"input")
    + frame(wire.CREDIT, bytes(4), wire.STDOUT)
    + frame(0x7F, b"new", flags=wire.OPTIONAL)
    + frame(wire.CLOSE)
    + frame(wire.KILL)
)


def seeds(folder: Path) -> None:
    (folder / "whole").write_bytes(WHOLE)
    for number, (sent, _) in enumerate(VIOLATIONS.values()):
        (folder / f"violation-{number}").write_bytes(sent)


def test_fuzzed_bytes_find_no_error(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    seeds(corpus)
    fuzzer = make("fuzz") / "fuzz-conversation"
    limits = [f"-max_total_time={SECONDS}", "-max_len=4096", "-timeout=5", "-rss_limit_mb=1024"]
    done = subprocess.run(
        [str(fuzzer), *limits, f"-artifact_prefix={tmp_path}/", str(corpus)],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS + 60,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None
    assert int(runs[1]) > 10_000
