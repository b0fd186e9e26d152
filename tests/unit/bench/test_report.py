"""What is told on the terminal and written beside it."""

import json
from dataclasses import replace
from pathlib import Path

from bench import report, stats
from bench.plots import plots
from bench.results import BARE, Start
from tests.unit.bench.results import whole


def test_lines_say_met_missed_and_not_measured() -> None:
    results = whole()
    results.start = Start(stats.summary([2.1, 2.2]))
    results.throughput = None
    lines = list(report.bar_lines(results))
    assert sum(line.split()[0] == "MISSED" for line in lines) == 1
    assert sum("not measured" in line for line in lines) == 1


def test_a_machine_that_is_not_quiet_is_told_of() -> None:
    results = whole()
    assert not any("NOT QUIET" in line for line in report.machine_lines(results))
    results.machine = replace(results.machine, background=0.3)
    assert any("NOT QUIET: 30%" in line for line in report.machine_lines(results))


def test_results_and_plots_are_written_and_stale_plots_go(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "old.svg").write_text("<svg/>")
    report.write(whole(), tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    assert all(each["met"] is True for each in document["bar"])
    assert document["latency"][0]["subjects"][BARE]["p50"] == 0.011
    assert {file.name for file in (tmp_path / "plots").iterdir()} == set(plots(whole()))
