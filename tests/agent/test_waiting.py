"""The waiting process: started before HELLO, it becomes the program, or is gone before a cold one starts."""

from __future__ import annotations

import time

import pytest

from tests.agent import wire
from tests.agent.conftest import Start
from tests.agent.sandbox import PYTHON

_WAITING = 2
_MEMORY = 40 * 1024 * 1024

# Takes over what comes on descriptor 3 and runs argv[2] of it as Python.
RUNTIME = """
import os, sys
held = bytearray(int(sys.argv[1]))
spun = 0
while spun < int(sys.argv[2]): spun += 1
os.write(3, b'!')
message = b''
while part := os.read(3, 65536): message += part
os.close(3)
number = lambda at: int.from_bytes(message[at:at + 4], 'little')
argc, envc, at, strings = number(0), number(4), 8, []
for _ in range(argc + envc):
    strings.append(message[at + 4:at + 4 + number(at)].decode()); at += 4 + number(at)
assert at == len(message)
argv, env = strings[:argc], strings[argc:]
exec(argv[2])
"""


def runtime(memory: int = 0, loops: int = 0) -> tuple[str, ...]:
    return ("60", PYTHON, "-c", RUNTIME, str(memory), str(loops))


def test_it_becomes_the_program(start: Start) -> None:
    sandbox = start(*runtime())
    assert sandbox.hello().capabilities & _WAITING
    sandbox.send_file("input.txt", b"from a file")
    program = (
        "print(argv[3:], env, open('input.txt').read(), sys.stdin.read(), flush=True); sys.exit(7)"
    )
    sandbox.run("python3", "-c", program, "a b", "", env=["A=b=c", "D="], waiting=True)
    sandbox.read_until(wire.STARTED)
    sandbox.send_stdin(b"from stdin")
    sandbox.send(wire.CLOSE)
    outcome = sandbox.outcome()
    assert outcome.stdout == b"['a b', ''] ['A=b=c', 'D='] from a file from stdin\n"
    assert (outcome.ended().cause, outcome.ended().exit_code) == (wire.EXITED, 7)


def test_a_cold_command_meets_nothing_of_it(start: Start) -> None:
    sandbox = start(*runtime())
    sandbox.hello()
    outcome = sandbox.execute_after_hello(
        "sh", "-c", "ls /proc | grep -c '^[0-9]'; ls /proc/self/fd"
    )
    count, *descriptors = outcome.stdout.split()
    assert int(count) <= 4, "the agent, sh and the two of the pipe: the waiting process is gone"
    assert b"3" not in descriptors or len(descriptors) == 4, "3 is of ls itself, reading the folder"


def test_its_time_counts_from_the_handing_over(start: Start) -> None:
    sandbox = start(*runtime(loops=20_000_000))
    sandbox.hello()
    time.sleep(0.3)
    outcome = sandbox.execute_after_hello("python3", "-c", "pass", waiting=True)
    result = outcome.ended()
    assert result.wall_us < 250_000
    assert result.cpu_us < 250_000


def test_the_memory_that_it_holds_is_the_programs(start: Start) -> None:
    sandbox = start(*runtime(memory=_MEMORY))
    sandbox.hello()
    assert (
        sandbox.execute_after_hello("x", "-c", "pass", waiting=True).ended().memory_peak > _MEMORY
    )


def test_limits_hold_for_it(start: Start) -> None:
    sandbox = start(*runtime())
    sandbox.hello()
    outcome = sandbox.execute_after_hello(
        "x", "-c", "while True: pass", waiting=True, wall_us=300_000
    )
    assert outcome.ended().cause == wire.WALL


@pytest.mark.parametrize("script", ["exit 0", "exec 3>&-; sleep 60", "kill -9 $$"])
def test_one_that_never_gets_ready_ends_the_sandbox(start: Start, script: str) -> None:
    sandbox = start("60", "sh", "-c", script)
    assert sandbox.read_frame() is None
    assert sandbox.wait() == 1


def test_one_that_cannot_be_executed_ends_the_sandbox(start: Start) -> None:
    sandbox = start("60", "/no/such/runtime")
    assert sandbox.read_frame() is None
    assert sandbox.wait() == 1


def test_one_that_dies_while_it_waits_ends_the_sandbox(start: Start) -> None:
    sandbox = start("60", "sh", "-c", "echo >&3; sleep 0.2")
    sandbox.hello()
    assert sandbox.read_frame() is None
    assert sandbox.wait() == 0


def test_a_server_that_goes_away_ends_it_all(start: Start) -> None:
    sandbox = start("60", "sh", "-c", "sleep 60")
    sandbox.close()
    assert sandbox.wait() == 1


def test_waiting_without_a_process_is_a_violation(start: Start) -> None:
    sandbox = start()
    sandbox.hello()
    sandbox.run("true", waiting=True)
    fault = sandbox.outcome().fault
    assert fault is not None
    assert fault.code == wire.FAULT_PROTOCOL
