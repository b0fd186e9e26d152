"""The program has the agent's user id: what keeps it off the agent."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.agent import arm64, wire
from tests.agent.conftest import SANITIZED, Start
from tests.agent.sandbox import PYTHON, Sandbox

# Tries one thing on a process and prints its errno, or "done".
PROBE = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    ctypes.set_errno(0)
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
def forge(pid):
    os.write(os.open(f"/proc/{pid}/fd/1", os.O_WRONLY), b"")
def read_input(pid):
    os.open(f"/proc/{pid}/fd/0", os.O_RDONLY)
def memory(pid):
    os.open(f"/proc/{pid}/mem", os.O_RDWR)
def environ(pid):
    open(f"/proc/{pid}/environ", "rb").read()
def maps(pid):
    open(f"/proc/{pid}/maps").read()
def binary(pid):
    open(f"/proc/{pid}/exe", "rb").read(1)
def attach(pid):
    call("ptrace", 16, pid, 0, 0)
    os.waitpid(pid, 0)
    call("ptrace", 17, pid, 0, 0)
def peek(pid):
    size = ctypes.c_size_t(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(size), 8)
    call("process_vm_readv", pid, vector, 1, vector, 1, 0)
def take_descriptor(pid):
    pidfd = os.pidfd_open(pid)
    call("syscall", 438, pidfd, 1, 0)
try:
    globals()[sys.argv[1]](int(sys.argv[2]))
    print("done")
except OSError as error:
    print(error.errno)
"""

PROBES = ["forge", "read_input", "memory", "environ", "maps", "attach", "take_descriptor"]


@pytest.mark.parametrize("probe", [*PROBES, "peek"])
def test_the_program_cannot_reach_into_the_agent(sandbox: Sandbox, probe: str) -> None:
    outcome = sandbox.execute(PYTHON, "-I", "-S", "-c", PROBE, probe, "1")
    assert outcome.stdout in (b"1\n", b"13\n"), outcome.stderr  # EPERM or EACCES


@pytest.mark.parametrize("probe", PROBES)
def test_the_probes_do_reach_into_a_process_that_is_not_the_agent(
    sandbox: Sandbox, probe: str
) -> None:
    script = f'sleep 5 & exec {PYTHON} -I -S -c "$0" {probe} $!'
    outcome = sandbox.execute("sh", "-c", script, PROBE)
    assert outcome.stdout == b"done\n", outcome.stderr


def test_the_binary_itself_cannot_be_read(start_shipped: Start) -> None:
    outcome = start_shipped().execute(PYTHON, "-I", "-S", "-c", PROBE, "binary", "1")
    assert outcome.stdout == b"13\n"


@pytest.mark.parametrize("build", ["shipped_agent", "cross_built"])
def test_the_build_gives_an_execute_only_static_binary(
    request: pytest.FixtureRequest, build: str
) -> None:
    built: Path = request.getfixturevalue(build)
    binary = built / "agent" if built.is_dir() else built
    assert binary.stat().st_mode & 0o7777 == 0o111
    headers = subprocess.run(
        ["readelf", "--wide", "--program-headers", str(binary)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    segments = [line.split() for line in headers.splitlines() if line.startswith("  ")]
    assert not [s for s in segments if s[0] in ("INTERP", "DYNAMIC")]
    assert not [s for s in segments if s[0] == "LOAD" and "RWE" in "".join(s[6:9])]
    assert [s for s in segments if s[0] == "GNU_STACK" and "E" not in "".join(s[6:8])]


def status(sandbox: Sandbox) -> dict[str, str]:
    """/proc/PID/status of the agent."""
    lines = Path(f"/proc/{sandbox.agent_pid()}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_an_idle_agent_catches_no_signal_and_costs_next_to_nothing(start_shipped: Start) -> None:
    sandbox = start_shipped()
    sandbox.hello()
    facts = status(sandbox)
    assert int(facts["SigCgt"], 16) == 0
    assert int(facts["SigBlk"], 16) | 1 << 8 | 1 << 18 | 7 << 31 == (1 << 64) - 1
    assert int(facts["VmRSS"].split()[0]) < 400
    assert int(facts["Threads"]) == 1
    assert facts["Umask"] == "0077"


def test_a_busy_agent_stays_small(start_shipped: Start) -> None:
    sandbox = start_shipped()
    sandbox.hello()
    sandbox.run("cat")
    sandbox.send_stdin(bytes(1_000_000))
    assert int(status(sandbox)["VmHWM"].split()[0]) < 1024


def test_descriptors_that_leak_in_go_no_further(start: Start, tmp_path: Path) -> None:
    secret = os.open(tmp_path / "secret", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(secret, True)
    high = os.dup2(secret, 200, inheritable=True)
    try:
        sandbox = start(leak=(secret, high))
        sandbox.hello()
        agent = Path(f"/proc/{sandbox.agent_pid()}/fd")
        targets = [str(entry.readlink()) for entry in agent.iterdir()]
        assert not [target for target in targets if "secret" in target]
        assert len(targets) <= 4  # three streams and the signals; the box has no control group
    finally:
        os.close(secret)
        os.close(high)


@pytest.mark.parametrize("old_kernel", [False, True])
def test_the_program_gets_three_descriptors_on_any_kernel(start: Start, old_kernel: bool) -> None:
    outcome = start(old_kernel=old_kernel).execute("ls", "/proc/self/fd")
    assert outcome.stdout == b"0\n1\n2\n3\n"  # 3 is ls reading the folder


def test_the_agent_refuses_to_be_another_process_than_the_first(agent: Path) -> None:
    done = subprocess.run(
        arm64.command(agent), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "must be PID 1" in done.stderr


def test_bytes_that_look_like_frames_are_only_output(sandbox: Sandbox) -> None:
    sandbox.hello()
    forged = wire.frame(wire.RESULT, bytes(72), 0, sandbox.execution_id)
    sandbox.send_file("forged", forged)
    sandbox.run("sh", "-c", "cat forged; cat forged >&2; exit 4")
    outcome = sandbox.outcome()
    assert (outcome.stdout, outcome.stderr) == (forged, forged)
    assert outcome.ended().exit_code == 4


def test_the_environment_of_the_agent_is_not_the_programs(sandbox: Sandbox) -> None:
    outcome = sandbox.execute("env", env=["PATH=/usr/bin:/bin"])
    assert outcome.stdout == b"PATH=/usr/bin:/bin\n"


def test_the_sanitized_build_is_the_one_that_only_prctl_protects(agent: Path) -> None:
    # The probes above run against both builds: one is execute-only, the other can be read.
    assert bool(agent.stat().st_mode & 0o444) == agent.name.endswith(SANITIZED)
