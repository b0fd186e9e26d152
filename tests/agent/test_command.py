"""One command from RUN to RESULT: arguments, environment, streams, exit codes, failures to start."""

from __future__ import annotations

import errno
import signal
import time
from pathlib import Path

import pytest

from tests.agent import arm64, wire
from tests.agent.conftest import Start
from tests.agent.sandbox import PYTHON, UID, Sandbox


def test_hello_tells_what_the_agent_is(agent: Path, sandbox: Sandbox) -> None:
    hello = sandbox.hello()
    assert hello.architecture == {62: 1, 183: 2}[arm64.machine(agent)]  # EM_X86_64, EM_AARCH64
    assert hello.cgroup == wire.GETRUSAGE  # the box has no control group
    assert hello.not_dumpable
    assert hello.pid_1
    assert hello.uid == UID
    assert hello.capabilities == 1
    assert hello.build_id == "dev"


def test_arguments_environment_and_both_outputs(sandbox: Sandbox) -> None:
    script = 'echo "$0|$1|$2"; env >&2; exit 7'
    outcome = sandbox.execute(
        "sh", "-c", script, "name", "one two", "", env=["PATH=/usr/bin:/bin", "A=b=c"]
    )
    result = outcome.ended()
    assert outcome.started
    assert outcome.stdout == b"name|one two|\n"
    environment = dict(line.split("=", 1) for line in outcome.stderr.decode().splitlines())
    assert environment.pop("PWD") == str(sandbox.box)  # of sh itself
    environment.pop("_", None)
    environment.pop("SHLVL", None)
    assert environment == {"PATH": "/usr/bin:/bin", "A": "b=c"}  # nothing of the agent's
    assert (result.cause, result.exit_code, result.signal) == (wire.EXITED, 7, 0)
    assert (result.stdout_total, result.stderr_total) == (
        len(outcome.stdout),
        len(outcome.stderr),
    )


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGXFSZ, signal.SIGTERM])
def test_a_signal_is_told_apart_from_an_exit_code(sandbox: Sandbox, number: signal.Signals) -> None:
    result = sandbox.execute("sh", "-c", f"kill -{number.value} $$").ended()
    assert (result.cause, result.signal) == (wire.SIGNALED, number)
    assert result.exit_code == 128 + number


def test_exit_code_beyond_128_is_no_signal(sandbox: Sandbox) -> None:
    result = sandbox.execute("sh", "-c", "exit 137").ended()
    assert (result.cause, result.exit_code, result.signal) == (wire.EXITED, 137, 0)


def test_stdin_reaches_the_program_and_ends(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("cat")
    data = bytes(range(256)) * 4096  # 1 MiB: many times what the agent holds
    sandbox.send_stdin(data)
    sandbox.send(wire.CLOSE)
    outcome = sandbox.outcome()
    assert outcome.ended().exit_code == 0
    assert outcome.ended().stdout_total == len(data)


def test_stdin_comes_as_it_is_sent_and_is_answered(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", 'read a; echo "1 $a"; read b; echo "2 $b"')
    for number, word in enumerate((b"one", b"two"), start=1):
        sandbox.send_stdin(word + b"\n")
        answer = sandbox.read_until(wire.DATA)[-1]
        assert answer.payload == b"%d %s\n" % (number, word)
    assert sandbox.outcome().ended().exit_code == 0


def test_large_stdin_that_nobody_reads_is_not_granted_on(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", "sleep 0.3; echo done")
    sandbox.read_until(wire.STARTED)
    first = sandbox.stdin_credit
    assert first == 128 * 1024
    for chunk in wire.chunks(bytes(first)):
        sandbox.send(wire.DATA, chunk, wire.STDIN)
    outcome = sandbox.outcome()
    assert outcome.stdout == b"done\n"
    more = [wire.credit(f.payload) for f in outcome.frames if f.type == wire.CREDIT]
    assert sum(more) <= 65_536  # what fits the program's pipe, nothing for what waits


def test_stdin_after_the_program_closed_it_is_forgotten(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", "exec 0<&-; echo closed; sleep 0.5; echo alive")
    sandbox.read_until(wire.DATA)
    sandbox.send(wire.DATA, bytes(1000), wire.STDIN)
    sandbox.send(wire.CLOSE)
    time.sleep(0.3)
    assert sandbox.agent_cpu_seconds() < 0.15  # it sleeps: a pipe without a reader wakes it once
    assert sandbox.outcome().stdout == b"alive\n"


@pytest.mark.parametrize("device", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"])
def test_standard_streams_can_be_opened_by_name(sandbox: Sandbox, device: str) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", f"cat /dev/stdin > {device}; echo e > /dev/stderr")
    sandbox.send_stdin(b"through")
    sandbox.send(wire.CLOSE)
    outcome = sandbox.outcome()
    assert (outcome.stdout, outcome.stderr) == (b"through", b"e\n")


def test_the_program_begins_with_a_clean_state(sandbox: Sandbox, agent: Path) -> None:
    # An emulator keeps 32 and 33 for itself: they stay as make, which ignores them, has left them.
    emulated = len(arm64.command(agent)) > 1
    spared = 1 << 12 | 1 << 24 | (1 << 31 | 1 << 32 if emulated else 0)
    script = f"""
import os, resource, signal
print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:4])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
ignored = next(l for l in open('/proc/self/status') if l.startswith('SigIgn'))
print(int(ignored.split()[1], 16) & ~{spared})
print(os.getsid(0) == os.getpid(), oct(os.umask(0)))
print(open('/proc/self/oom_score_adj').read().strip())
print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_CPU))
"""
    outcome = sandbox.execute(PYTHON, "-I", "-c", script, cpu_us=2_500_001)
    assert outcome.stderr == b""
    assert outcome.stdout.decode().splitlines() == [
        "[0, 1, 2, 3]",  # 3 is the open folder itself
        "set()",
        "0",  # but SIGPIPE and SIGXFSZ, which Python ignores by itself
        "True 0o22",
        "1000",
        "(0, 0) (4, 5)",
    ]


@pytest.mark.parametrize(
    ("argv", "env", "code"),
    [
        (["no-such-program"], ["PATH=/usr/bin:/bin"], errno.ENOENT),
        (["./no-such-file"], [], errno.ENOENT),
        (["/etc/passwd"], [], errno.EACCES),
        (["/"], [], errno.EACCES),
        (["sh"], ["PATH=/nowhere"], errno.ENOENT),
        ([""], ["PATH=/usr/bin:/bin"], errno.ENOENT),
        (["./garbage"], [], errno.ENOEXEC),
        (["passwd"], ["PATH=/etc:/nowhere"], errno.EACCES),
        (["x" * 5000], ["PATH=/usr/bin:/bin"], errno.ENAMETOOLONG),
    ],
)
def test_what_cannot_be_executed_is_a_fault(
    sandbox: Sandbox, argv: list[str], env: list[str], code: int
) -> None:
    sandbox.hello()
    sandbox.send_file("garbage", b"\0\1\2 not a program", executable=True)
    sandbox.run(*argv, env=env)
    outcome = sandbox.outcome()
    assert not outcome.started
    assert outcome.fault == wire.Fault(wire.FAULT_EXEC, code, "exec")


def test_the_path_of_the_environment_counts_and_is_searched_on(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.send_file("denied/tool", b"#!/bin/sh\necho wrong\n")
    sandbox.send_file("allowed/tool", b"#!/bin/sh\necho right\n", executable=True)
    path = f"/nowhere:{sandbox.box}/denied:{sandbox.box}/allowed:/usr/bin:/bin"
    sandbox.run("tool", env=[f"PATH={path}"])
    assert sandbox.outcome().stdout == b"right\n"


def test_an_empty_entry_of_path_is_the_working_directory(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.send_file("tool", b"#!/bin/sh\necho here\n", executable=True)
    sandbox.run("tool", env=["PATH=/usr/bin:"])
    assert sandbox.outcome().stdout == b"here\n"


def test_a_run_frame_full_of_arguments(sandbox: Sandbox) -> None:
    arguments = [""] * 16_000
    outcome = sandbox.execute("sh", "-c", "echo $#", "sh", *arguments, env=["PATH=/bin:/usr/bin"])
    assert outcome.stdout == b"16000\n"


def test_from_run_to_result_is_fast(start_shipped: Start) -> None:
    durations = []
    for _ in range(10):
        sandbox = start_shipped()
        sandbox.hello()
        begun = time.monotonic()
        sandbox.run("/bin/true", env=[])
        sandbox.read_until(wire.RESULT)
        durations.append(time.monotonic() - begun)
        sandbox.close()
        sandbox.wait()
    assert min(durations) < 0.010  # about 1 ms on an idle machine; a timer in the way costs more
