"""Wall time, CPU time, caps of output, credit: what ends a command, and what only slows it down."""

from __future__ import annotations

import time

import pytest

from tests.agent import wire
from tests.agent.conftest import Start
from tests.agent.sandbox import PYTHON, Sandbox

PIPE = 65_536
BURN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"


def test_wall_time_ends_what_sleeps(sandbox: Sandbox) -> None:
    result = sandbox.execute("sh", "-c", "echo first; sleep 60", wall_us=300_000).ended()
    assert (result.cause, result.exit_code, result.signal) == (wire.WALL, 137, 9)
    assert 300_000 <= result.wall_us < 1_000_000
    assert result.cpu_us < 200_000
    assert result.stdout_total == len("first\n")


def test_wall_time_ends_what_stopped_itself_and_ignores_signals(sandbox: Sandbox) -> None:
    script = "trap '' TERM INT HUP QUIT; kill -STOP $$"
    assert sandbox.execute("sh", "-c", script, wall_us=200_000).ended().cause == wire.WALL


def test_cpu_time_ends_an_endless_loop(sandbox: Sandbox) -> None:
    begun = time.monotonic()
    result = sandbox.execute("sh", "-c", "while :; do :; done", cpu_us=200_000).ended()
    assert (result.cause, result.signal) == (wire.CPU, 9)
    assert 200_000 < result.cpu_us < 500_000
    assert time.monotonic() - begun < 5  # the wall time limit is 10


def test_cpu_time_counts_processes_that_ended_before_the_poll(sandbox: Sandbox) -> None:
    script = BURN.format(0.05)
    many = f"for i in 1 2 3 4 5 6 7 8; do {PYTHON} -I -S -c '{script}'; done"
    result = sandbox.execute("sh", "-c", many, cpu_us=250_000).ended()
    assert result.cause == wire.CPU
    assert result.cpu_us > 250_000


def test_cpu_time_is_looked_at_again_after_the_end(sandbox: Sandbox) -> None:
    # Without a control group the clock of a living grandchild cannot be read, so only the end tells.
    script = f"{PYTHON} -I -S -c '{BURN.format(0.3)}'; exit 3"
    result = sandbox.execute("sh", "-c", script, cpu_us=280_000).ended()
    assert result.cause == wire.CPU
    assert result.cpu_us >= 300_000


def test_output_past_its_cap_is_counted_and_the_program_goes_on(sandbox: Sandbox) -> None:
    script = "head -c 3000000 /dev/zero; head -c 70000 /dev/zero >&2; exit 5"
    outcome = sandbox.execute("sh", "-c", script, stdout_cap=1000, stderr_cap=69_999)
    result = outcome.ended()
    assert (result.cause, result.exit_code) == (wire.EXITED, 5)
    assert (len(outcome.stdout), result.stdout_total) == (1000, 3_000_000)
    assert (len(outcome.stderr), result.stderr_total) == (69_999, 70_000)


def test_a_cap_of_zero_sends_nothing(sandbox: Sandbox) -> None:
    outcome = sandbox.execute("sh", "-c", "echo a", stdout_cap=0, stdout_credit=0)
    assert (outcome.stdout, outcome.ended().stdout_total) == (b"", 2)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_past_its_cap_kills_where_asked(sandbox: Sandbox, stream: str) -> None:
    limits = {f"{stream}_cap": 100_000, "kill_on_overflow": True}
    begun = time.monotonic()
    outcome = sandbox.execute("sh", "-c", f"yes >/dev/{stream}", **limits)
    result = outcome.ended()
    assert (result.cause, result.signal) == (wire.OUTPUT, 9)
    assert len(getattr(outcome, stream)) == 100_000
    assert 100_000 < getattr(result, f"{stream}_total") < 3_000_000
    assert time.monotonic() - begun < 5


def test_overflow_is_the_cause_also_where_the_program_ended_first(sandbox: Sandbox) -> None:
    # All of it fits the pipe: the program may be gone before the agent has read a byte.
    limits = {"stdout_cap": 10, "kill_on_overflow": True}
    result = sandbox.execute("sh", "-c", "printf 12345678901; exit 0", **limits).ended()
    assert (result.cause, result.stdout_total) == (wire.OUTPUT, 11)


def test_output_of_exactly_the_cap_is_no_overflow(sandbox: Sandbox) -> None:
    limits = {"stdout_cap": 10, "kill_on_overflow": True}
    outcome = sandbox.execute("sh", "-c", "printf 1234567890", **limits)
    assert (outcome.ended().cause, outcome.stdout) == (wire.EXITED, b"1234567890")


def test_no_credit_fills_the_pipe_and_wall_time_ends_it(sandbox: Sandbox) -> None:
    outcome = sandbox.execute("yes", stdout_credit=0, wall_us=300_000)
    result = outcome.ended()
    assert (result.cause, outcome.stdout) == (wire.WALL, b"")
    assert result.stdout_total == PIPE
    assert result.wall_us < 800_000  # what waits for credit afterwards is not the program's time


def test_never_more_than_was_granted_and_all_of_it_in_the_end(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", "yes | head -c 200000", stdout_credit=1000)
    granted, received = 1000, b""
    for more in (30_000, 1, 100_000, 68_999):
        while len(received) < granted:
            received += sandbox.read_until(wire.DATA)[-1].payload
        assert len(received) == granted
        with pytest.raises(TimeoutError):
            sandbox.read_frame(seconds=0.05)
        sandbox.grant(wire.STDOUT, more)
        granted += more
    begun = time.monotonic()
    outcome = sandbox.outcome()
    assert time.monotonic() - begun < 5  # the end shows though the last grant is used up
    assert received + outcome.stdout == b"y\n" * 100_000
    assert outcome.ended().exit_code == 0


def test_credit_of_one_output_is_not_the_others(sandbox: Sandbox) -> None:
    script = "echo out; echo err >&2"
    outcome = sandbox.execute("sh", "-c", script, stdout_credit=0, wall_us=200_000)
    assert (outcome.stdout, outcome.stderr) == (b"", b"err\n")


def test_a_server_that_reads_late_gets_everything_at_once_then(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", "head -c 1000000 /dev/zero; echo end >&2")
    time.sleep(0.3)
    begun = time.monotonic()
    outcome = sandbox.outcome()
    assert (len(outcome.stdout), outcome.stderr) == (1_000_000, b"end\n")
    assert time.monotonic() - begun < 3


def test_control_frames_overtake_data(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", "head -c 1000000 /dev/zero & exec cat >/dev/null")
    sandbox.read_until(wire.STARTED)
    time.sleep(0.2)  # the attached pipe is full, a data frame waits behind it
    for chunk in wire.chunks(bytes(sandbox.stdin_credit)):
        sandbox.send(wire.DATA, chunk, wire.STDIN)
    time.sleep(0.2)
    frames = sandbox.read_until(wire.CREDIT)
    assert sum(len(f.payload) for f in frames if f.type == wire.DATA) <= 3 * PIPE
    sandbox.send(wire.CLOSE)
    assert sandbox.outcome().ended().cause == wire.EXITED


def test_many_small_writes_become_few_frames(sandbox: Sandbox) -> None:
    outcome = sandbox.execute("dd", "if=/dev/zero", "bs=1", "count=100000", "status=none")
    seconds = outcome.ended().wall_us / 1e6
    data = [f for f in outcome.frames if f.type == wire.DATA]
    assert len(outcome.stdout) == 100_000
    assert len(data) < 100 + 1100 * seconds  # a first burst, then one in a millisecond


def test_kill_ends_the_command_and_tells_so(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", "echo ready; sleep 60")
    sandbox.read_until(wire.DATA)
    sandbox.send(wire.KILL)
    result = sandbox.outcome().ended()
    assert (result.cause, result.signal, result.stdout_total) == (wire.KILLED, 9, 6)


def test_kill_after_the_end_lets_output_wait_no_longer(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("echo", "unread", stdout_credit=0)
    sandbox.read_until(wire.STARTED)
    with pytest.raises(TimeoutError):
        sandbox.read_frame(seconds=0.2)
    sandbox.send(wire.KILL)
    begun = time.monotonic()
    outcome = sandbox.outcome()
    assert (outcome.ended().cause, outcome.ended().stdout_total) == (wire.EXITED, 7)
    assert time.monotonic() - begun < 2


def test_a_run_has_a_deadline_though_nobody_reads(start: Start) -> None:
    sandbox = start()
    sandbox.hello()
    begun = time.monotonic()
    sandbox.run("yes", wall_us=200_000)
    assert sandbox.wait() == 0
    assert 2.0 < time.monotonic() - begun < 4.0


def test_a_command_that_does_not_come_is_not_awaited_for_ever(start: Start) -> None:
    begun = time.monotonic()
    sandbox = start("1")
    sandbox.hello()
    assert sandbox.wait() == 0
    assert 1.0 < time.monotonic() - begun < 3.0


@pytest.mark.parametrize("seconds", ["0", "-1", "", "1x", "604801"])
def test_a_senseless_idle_time_is_refused(start: Start, seconds: str) -> None:
    sandbox = start(seconds)
    assert sandbox.wait() == 1
    assert "usage: agent" in sandbox.errors()
