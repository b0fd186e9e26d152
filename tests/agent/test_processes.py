"""Nothing of a command outlives its result, and nothing at all outlives the server's end of the stream."""

from __future__ import annotations

import time

import pytest

from tests.agent import wire
from tests.agent.conftest import Start
from tests.agent.sandbox import PYTHON, Sandbox

# Ignores what can be ignored and forks on in new sessions, up to 100 processes of its user.
FORK_BOMB = """
import os, resource, signal, time
resource.setrlimit(resource.RLIMIT_NPROC, (100, 100))
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
print("go", flush=True)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        time.sleep(0.001)
"""

DAEMON = "(setsid sh -c 'trap \"\" HUP TERM; echo $$; exec sleep 60' &) ; sleep 0.1"


def run_to_result(sandbox: Sandbox) -> wire.Result:
    """Reads to RESULT and leaves the agent waiting for the end of its input."""
    return wire.result(sandbox.read_until(wire.RESULT)[-1].payload)


def test_a_daemon_is_dead_before_the_result(sandbox: Sandbox) -> None:
    sandbox.hello()
    begun = time.monotonic()
    sandbox.run("sh", "-c", DAEMON)
    result = run_to_result(sandbox)
    assert sandbox.processes() == []
    assert result.cause == wire.EXITED
    assert time.monotonic() - begun < 2  # though the daemon holds the output pipes open


def test_a_fork_bomb_is_dead_before_the_result(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run(PYTHON, "-I", "-S", "-c", FORK_BOMB, wall_us=700_000)
    sandbox.read_until(wire.DATA)
    time.sleep(0.3)
    assert len(sandbox.processes()) > 50
    result = run_to_result(sandbox)
    assert sandbox.processes() == []
    assert result.cause == wire.WALL
    assert result.collect_us < 2_500_000


def test_orphans_are_reaped_while_the_command_runs(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run(
        "sh", "-c", "for i in 1 2 3 4 5; do (sleep 0.05 &) ; done; sleep 0.4; echo; exec cat"
    )
    sandbox.read_until(wire.DATA)
    assert len(sandbox.processes()) == 1  # the main one: no zombies of the others
    sandbox.send(wire.CLOSE)
    assert sandbox.outcome().ended().exit_code == 0


def test_killing_everything_does_not_hit_the_agent(sandbox: Sandbox) -> None:
    signals = "for s in TERM INT HUP QUIT ABRT ALRM CHLD STOP USR1 PIPE KILL; do kill -$s 1; done"
    script = f"{signals}; echo still here; kill -KILL -1; sleep 0.1; exit 3"
    outcome = sandbox.execute("sh", "-c", script)
    assert outcome.stdout == b"still here\n"
    assert outcome.ended().exit_code == 3


@pytest.mark.parametrize("when", ["before RUN", "while it runs", "while output is stuck"])
def test_without_a_server_everything_ends(sandbox: Sandbox, when: str) -> None:
    sandbox.hello()
    if when != "before RUN":
        program = "yes" if when == "while output is stuck" else "sleep 60"
        sandbox.run("sh", "-c", f"(setsid sleep 60 &) ; {program}")
        sandbox.read_until(wire.STARTED)
        time.sleep(0.2)
        assert len(sandbox.processes()) >= 2
    begun = time.monotonic()
    sandbox.close()
    assert sandbox.wait() == 0
    assert time.monotonic() - begun < 1


def test_a_server_that_no_longer_reads_is_gone(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sleep", "60")
    sandbox.read_until(wire.STARTED)
    assert sandbox.process.stdout is not None
    sandbox.process.stdout.close()
    assert sandbox.wait(seconds=2) == 0


def test_after_the_result_the_agent_waits_a_second_at_most(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("true")
    sandbox.read_until(wire.RESULT)
    begun = time.monotonic()
    sandbox.send(wire.KILL)  # what crosses the result is of no interest any more
    sandbox.grant(wire.STDOUT, 1)
    assert sandbox.wait() == 0
    assert 0.8 < time.monotonic() - begun < 2


def test_output_written_just_before_the_end_is_complete(start: Start) -> None:
    for _ in range(20):
        outcome = start().execute(
            "sh", "-c", "head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2"
        )
        assert (len(outcome.stdout), len(outcome.stderr)) == (60_000, 60_000)


def test_outputs_that_the_program_closed_are_no_end(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", "exec >&- 2>&- <&-; sleep 0.5; exit 9")
    sandbox.read_until(wire.STARTED)
    time.sleep(0.3)
    assert sandbox.agent_cpu_seconds() < 0.15  # nobody spins on a pipe that has hung up
    result = sandbox.outcome().ended()
    assert result.exit_code == 9
    assert result.wall_us >= 500_000
