"""What is measured, and by what: on trees of figures as the two versions of control groups show them.

The trees under recorded/ were read inside containers. A test lays a copy over /sys/fs/cgroup and
changes its figures while the command runs.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.agent import wire
from tests.agent.conftest import Start
from tests.agent.sandbox import PYTHON, Sandbox

RECORDED = Path(__file__).parent / "recorded"
MIB = 1 << 20
SAMPLED = 0.2  # seconds: several times the longest interval between two samples


@dataclass(frozen=True)
class Tree:
    """A control group whose figures the test sets."""

    folder: Path
    version: int

    def set(self, *, anonymous: int | None = None, shared: int | None = None) -> None:
        """Sets the figures of memory, in bytes."""
        file = "memory/memory.stat" if self.version == 1 else "memory.stat"
        keys = ("total_rss", "total_shmem") if self.version == 1 else ("anon", "shmem")
        for key, value in zip(keys, (anonymous, shared), strict=True):
            if value is not None:
                self.replace(file, key, value)

    def set_cpu(self, microseconds: int) -> None:
        """Sets the CPU time."""
        if self.version == 1:
            _write(self.folder / "cpuacct/cpuacct.usage", f"{microseconds * 1000}\n")
        else:
            self.replace("cpu.stat", "usage_usec", microseconds)

    def set_oom_kills(self, count: int) -> None:
        """Sets how many processes were killed for memory."""
        file = "memory/memory.oom_control" if self.version == 1 else "memory.events"
        self.replace(file, "oom_kill", count)

    def remove_oom_kills(self) -> None:
        """As a kernel before 4.13 shows it."""
        file = "memory/memory.oom_control" if self.version == 1 else "memory.events"
        (self.folder / file).write_text("oom_kill_disable 0\nunder_oom 0\n")

    def replace(self, file: str, key: str, value: int) -> None:
        """Sets one figure of a file."""
        path = self.folder / file
        text, count = re.subn(rf"(?m)^{key} .*$", f"{key} {value}", path.read_text())
        assert count == 1, f"{file} has no {key}"
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """In place, as the agent has the file open, and at once, so that it never reads a part."""
    with path.open("r+") as target:
        os.pwrite(target.fileno(), text.encode(), 0)
        target.truncate(len(text))


@pytest.fixture(params=[1, 2])
def tree(folder: Path, request: pytest.FixtureRequest) -> Tree:
    """A recorded tree in the place of the box's control group."""
    shutil.copytree(RECORDED / f"v{request.param}", folder / "cgroup", dirs_exist_ok=True)
    tree = Tree(folder / "cgroup", request.param)
    tree.set(anonymous=300_000, shared=20 * MIB)
    tree.set_cpu(1_000_000)
    tree.set_oom_kills(3)
    return tree


@pytest.fixture
def waiting(start: Start, tree: Tree) -> Sandbox:
    """A command that goes on until its input ends, in a sandbox with that tree."""
    sandbox = start()
    assert sandbox.hello().cgroup == tree.version
    return sandbox


def end(sandbox: Sandbox) -> wire.Result:
    sandbox.send(wire.CLOSE)
    return sandbox.outcome().ended()


def begin(sandbox: Sandbox, **limits: object) -> None:
    sandbox.run("cat", **limits)
    sandbox.read_until(wire.STARTED)


def test_the_peak_is_anonymous_and_shared_memory_above_the_start(
    waiting: Sandbox, tree: Tree
) -> None:
    begin(waiting)
    tree.set(anonymous=300_000 + 7 * MIB, shared=28 * MIB)
    time.sleep(SAMPLED)
    tree.set(anonymous=300_000, shared=20 * MIB + 1)  # less than the peak, and it does not lower it
    time.sleep(SAMPLED)
    result = end(waiting)
    assert result.memory_peak == 15 * MIB
    assert result.measured_by == tree.version
    assert result.known == wire.KNOWS_CPU | wire.KNOWS_MEMORY | wire.KNOWS_OOM_KILLS


def test_the_last_figures_count_too(waiting: Sandbox, tree: Tree) -> None:
    # Left behind in shared memory at the end, unseen by any sample before.
    waiting.run("sh", "-c", "cat; exec sleep 0.001")
    waiting.read_until(wire.STARTED)
    time.sleep(SAMPLED)
    tree.set(shared=21 * MIB + 20 * MIB)
    assert end(waiting).memory_peak == 21 * MIB


def test_page_cache_is_not_the_commands(waiting: Sandbox, tree: Tree) -> None:
    file, key = (
        ("memory/memory.stat", "total_cache") if tree.version == 1 else ("memory.stat", "file")
    )
    begin(waiting)
    tree.replace(file, key, 500 * MIB)
    time.sleep(SAMPLED)
    assert end(waiting).memory_peak < 20 * MIB


def test_the_largest_process_is_the_lower_bound(start: Start, tree: Tree) -> None:
    # Its memory comes and goes without a sample of the control group that shows it.
    script = f"x = bytearray({40 * MIB})\nfor i in range(0, len(x), 4096): x[i] = 1"
    result = start().execute("sh", "-c", f'{PYTHON} -I -S -c "$0"; true', script).ended()
    assert 40 * MIB < result.memory_peak < 80 * MIB


def test_cpu_time_is_the_difference_without_the_agents_own(waiting: Sandbox, tree: Tree) -> None:
    begin(waiting)
    tree.set_cpu(1_700_000)
    result = end(waiting)
    assert 600_000 < result.cpu_us <= 700_000
    assert result.cause == wire.EXITED


def test_cpu_time_limit_is_the_groups(waiting: Sandbox, tree: Tree) -> None:
    begin(waiting, cpu_us=500_000)
    time.sleep(SAMPLED)
    tree.set_cpu(1_400_000)
    time.sleep(SAMPLED)
    assert waiting.processes() != []
    tree.set_cpu(1_650_000)
    begun = time.monotonic()
    result = waiting.outcome().ended()
    assert time.monotonic() - begun < 0.5
    assert result.cause == wire.CPU
    assert 550_000 < result.cpu_us <= 650_000


def test_cpu_time_limit_is_looked_at_again_after_the_end(waiting: Sandbox, tree: Tree) -> None:
    begin(waiting, cpu_us=500_000)
    time.sleep(SAMPLED)
    tree.set_cpu(1_900_000)
    result = end(waiting)
    assert result.cause == wire.CPU
    assert 800_000 < result.cpu_us <= 900_000


def test_oom_kills_are_those_of_the_command(waiting: Sandbox, tree: Tree) -> None:
    begin(waiting)
    tree.set_oom_kills(5)
    assert end(waiting).oom_kills == 2


def test_oom_kills_that_cannot_be_read_are_unknown(start: Start, tree: Tree) -> None:
    tree.remove_oom_kills()
    result = start().execute("true").ended()
    assert result.known == wire.KNOWS_CPU | wire.KNOWS_MEMORY
    assert result.measured_by == tree.version


def test_without_a_group_getrusage_measures(sandbox: Sandbox) -> None:
    script = "import time\nx = b'x' * (30 << 20)\nend = time.process_time() + 0.2\n"
    script += "while time.process_time() < end: pass"
    result = sandbox.execute("sh", "-c", f'{PYTHON} -I -S -c "$0" & wait', script).ended()
    assert result.measured_by == wire.GETRUSAGE
    assert result.known == wire.KNOWS_CPU | wire.KNOWS_MEMORY
    assert 200_000 <= result.cpu_us < 600_000
    assert 30 * MIB < result.memory_peak < 80 * MIB


def test_a_small_program_is_not_charged_for_the_agent(start_shipped: Start) -> None:
    sandbox = start_shipped()
    sandbox.hello()
    sandbox.send_file("large", bytes(8 * MIB))
    sandbox.run("true")
    assert sandbox.outcome().ended().memory_peak < 4 * MIB


def test_wall_time_is_from_exec_to_the_end_of_the_main_process(sandbox: Sandbox) -> None:
    result = sandbox.execute("sh", "-c", "(sleep 5 &) ; sleep 0.25").ended()
    assert 250_000 <= result.wall_us < 400_000
    assert result.collect_us < 200_000
