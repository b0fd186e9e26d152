"""CPU and memory: what is read, and how it is split."""

import os
import time
from pathlib import Path

import pytest

from bench import cpu, memory, proc
from bench.fronts import Answer
from bench.load import Load
from bench.results import GRPC, REST


def test_process_times_see_own_work_and_that_of_children() -> None:
    before = proc.process_times(os.getpid())
    deadline = time.process_time() + 0.2
    while time.process_time() < deadline:
        pass
    os.waitpid(os.spawnlp(os.P_NOWAIT, "sh", "sh", "-c", _SPIN), 0)
    after = proc.process_times(os.getpid())
    assert after.own - before.own == pytest.approx(0.2, abs=0.1)
    assert after.reaped - before.reaped > 0.02


_SPIN = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"


def test_machine_is_at_least_as_busy_as_we_are() -> None:
    before, own = proc.machine_busy_seconds(), proc.process_times(os.getpid()).own
    deadline = time.process_time() + 0.3
    while time.process_time() < deadline:
        pass
    spent = proc.process_times(os.getpid()).own - own
    assert proc.machine_busy_seconds() - before > 0.7 * spent


def test_memory_and_parent_of_this_process() -> None:
    assert proc.parent(os.getpid()) == os.getppid()
    assert 1 << 20 < proc.proportional_bytes(os.getpid()) <= proc.resident_bytes(os.getpid())
    assert proc.total_mebibytes() > proc.available_bytes() >> 20 > 0


def test_a_process_that_is_gone_is_told_of() -> None:
    pid = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(pid, 0)
    with pytest.raises(proc.NotReadableError, match=str(pid)):
        proc.process_times(pid)


def test_memory_of_a_control_group_leaves_out_what_can_be_dropped(tmp_path: Path) -> None:
    (tmp_path / "memory.usage_in_bytes").write_text("5000\n")
    (tmp_path / "memory.current").write_text("7000\n")
    (tmp_path / "memory.stat").write_text("active_file 1000\ninactive_file 500\nrss 100\n")
    assert proc.ContainerGroup(1, tmp_path, tmp_path).memory_bytes() == 3500
    assert proc.ContainerGroup(2, tmp_path, tmp_path).memory_bytes() == 5500


def test_cpu_of_all_containers_is_known_only_where_a_group_holds_nothing_else(
    tmp_path: Path,
) -> None:
    (tmp_path / "docker" / "one").mkdir(parents=True)
    (tmp_path / "docker" / "cpuacct.usage").write_text("2500000000\n")
    (tmp_path / "docker" / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    one = tmp_path / "docker" / "one"
    assert proc.ContainerGroup(1, one, one).siblings_cpu_seconds() == 2.5
    assert proc.ContainerGroup(2, one, one).siblings_cpu_seconds() == 1.5
    shared = tmp_path / "system.slice" / "docker-one.scope"
    shared.mkdir(parents=True)
    assert proc.ContainerGroup(2, shared, shared).siblings_cpu_seconds() is None


def counters(**more: float | None) -> cpu.Counters:
    values: dict[str, float | None] = dict.fromkeys(
        ("machine", "engine", "children", "containers", "service", "generator"), 0.0
    )
    return cpu.Counters(**(values | more))  # type: ignore[arg-type]


def test_cpu_is_split_for_each_execution() -> None:
    spent = counters(
        machine=13.0, engine=2.0, children=5.0, containers=2.0, service=0.5, generator=1.0
    )
    load = Load(10.0, [Answer(0.1, True, 0.5) for _ in range(100)])
    split = cpu.split(GRPC, [(spent, load, 0.1)])
    assert (split.executions, split.program_from) == (100, "control group")
    assert split.engine == pytest.approx(20)
    assert split.shim_and_runtime == pytest.approx(30), "the containers' part is not the shims'"
    assert split.program == pytest.approx(20)
    assert split.service == pytest.approx(5)
    assert split.kernel == pytest.approx(35), "13 - 1 background - 1 generator - the other parts"
    assert split.total == pytest.approx(110)
    assert split.service_share == pytest.approx(5 / 110)


def test_cpu_of_programs_is_the_services_word_where_no_group_keeps_it() -> None:
    load = Load(10.0, [Answer(0.1, True, 0.02) for _ in range(100)])
    split = cpu.split(REST, [(counters(machine=9.0, children=5.0, containers=None), load, 0.0)])
    assert split.program == pytest.approx(20)
    assert split.shim_and_runtime == pytest.approx(30)
    assert "reports" in split.program_from


def test_counters_differ_by_what_was_spent_between() -> None:
    spent = counters(machine=3.0, containers=2.0).since(counters(machine=1.0, containers=0.5))
    assert (spent.machine, spent.containers) == (2.0, 1.5)
    assert counters(containers=2.0).since(counters(containers=None)).containers is None


def test_kind_of_a_waiting_sandbox_is_what_waits_in_it() -> None:
    agent = "/.code-executor/agent"
    assert memory.kind({"Path": agent, "Args": ["900"]}) == memory.AGENT_ALONE
    waiting = {"Path": agent, "Args": ["900", "/usr/bin/python3", "-I", "wait.py"]}
    assert memory.kind(waiting) == "with python3"


def test_growth_compares_both_ends_and_says_whether_the_bar_was_reached() -> None:
    samples = [(count, 100.0 + count / 1000) for count in range(100, 20_001, 100)]
    found = memory.resident(samples, 1000)
    assert found.growth == pytest.approx(18.5 / 101.5, rel=0.03)
    assert found.complete
    assert not memory.resident(samples[:50], 1000).complete
    with pytest.raises(ValueError, match="no sample after 1000"):
        memory.resident(samples[:5], 1000)
