"""Group D: programs that attack the agent and its protocol. Each attempt fails; each result is right."""

from __future__ import annotations

import secrets
import struct
import tomllib

import pytest
from code_executor.v1 import executor_pb2 as pb

from executor_server import agent
from tests.contract.programs import LANGUAGES
from tests.e2e.conftest import Execute

Status = pb.ExecuteResponse.Status
BLOCKED = {"EACCES", "EPERM"}

ON_THE_AGENT = """
    import ctypes
    import errno
    import os
    import resource

    libc = ctypes.CDLL(None, use_errno=True)
    FORGED = bytes([1, 0x12, 0, 0]) + (72).to_bytes(4, "little") + bytes(16 + 72)
    PTRACE_ATTACH, PTRACE_SEIZE, PIDFD_OPEN, PIDFD_GETFD, KCMP = 16, 0x4206, 434, 438, 312

    def attempt(name, act):
        try:
            act()
        except OSError as error:
            print(name, errno.errorcode[error.errno])
        else:
            print(name, "DONE")

    def call(function, *arguments):
        if function(*arguments) < 0:
            raise OSError(ctypes.get_errno(), "")

    for number in (0, 1, 2):
        attempt(f"read fd {number}", lambda: open(f"/proc/1/fd/{number}", "rb"))
        attempt(f"write fd {number}", lambda: open(f"/proc/1/fd/{number}", "wb").write(FORGED))
    attempt("list fds", lambda: os.listdir("/proc/1/fd"))
    for name in ("mem", "environ", "maps", "auxv", "syscall", "stack"):
        attempt(f"read {name}", lambda: open(f"/proc/1/{name}", "rb").read(1))
    attempt("write mem", lambda: open("/proc/1/mem", "r+b"))
    for name in ("cwd", "exe", "root"):
        attempt(f"follow {name}", lambda: os.readlink(f"/proc/1/{name}"))
    attempt("write oom_score_adj", lambda: open("/proc/1/oom_score_adj", "w").write("1000"))
    attempt("ptrace attach", lambda: call(libc.ptrace, PTRACE_ATTACH, 1, None, None))
    attempt("ptrace seize", lambda: call(libc.ptrace, PTRACE_SEIZE, 1, None, None))
    attempt("read memory", lambda: call(libc.process_vm_readv, 1, None, 0, None, 0, 0))
    attempt("write memory", lambda: call(libc.process_vm_writev, 1, None, 0, None, 0, 0))
    attempt("compare", lambda: call(libc.syscall, KCMP, 1, os.getpid(), 0, 0, 0))
    attempt("take fd", lambda: call(libc.syscall, PIDFD_GETFD, os.pidfd_open(1), 1, 0))
    attempt("prlimit", lambda: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0)))
    attempt("read prlimit", lambda: resource.prlimit(1, resource.RLIMIT_CPU))
    attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
    attempt("idle", lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)))
    os.sched_setaffinity(1, {0})  # allowed, and gains nothing
    print("end")
"""

IN_C = r"""
    #define _GNU_SOURCE
    #include <errno.h>
    #include <fcntl.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/ptrace.h>
    #include <sys/resource.h>
    #include <sys/uio.h>

    static void say(const char *name, long result)
    {
        printf("%s %s\n", name, result >= 0 ? "DONE" : strerrorname_np(errno));
    }

    int main(void)
    {
        const struct rlimit none = {0, 0};
        struct iovec io = {0, 0};
        say("fd0", open("/proc/1/fd/0", O_RDONLY));
        say("fd1", open("/proc/1/fd/1", O_WRONLY));
        say("mem", open("/proc/1/mem", O_RDWR));
        say("ptrace", ptrace(PTRACE_ATTACH, 1, 0, 0));
        say("prlimit", prlimit(1, RLIMIT_CPU, &none, 0));
        say("vm", process_vm_readv(1, &io, 1, &io, 1, 0));
        puts("end");
    }
"""


@pytest.mark.parametrize(("language", "code"), [("python", ON_THE_AGENT), ("c", IN_C)])
async def test_no_attempt_on_the_agent_succeeds(language: str, code: str, execute: Execute) -> None:
    response = await execute(language, code, timeout_seconds=20)
    *attempts, end = response.stdout.splitlines()
    assert (end, response.status) == ("end", Status.OK), response
    outcomes = dict(line.rsplit(" ", 1) for line in attempts)
    assert len(outcomes) >= 6
    assert {name: o for name, o in outcomes.items() if o not in BLOCKED} == {}


async def test_a_hidden_file_of_the_agents_is_no_way_in(execute: Execute) -> None:
    code = """
        import os

        print(open("/proc/1/cmdline", "rb").read().split(b"\\0")[0].decode())
        print(oct(os.stat("/.code-executor/agent").st_mode & 0o777))
        for mode in ("rb", "wb"):
            try:
                open("/.code-executor/agent", mode)
            except OSError as error:
                print(type(error).__name__, error.errno)
        print([name for name in os.listdir("/proc/self/fd") if int(name) > 3])
    """
    lines = (await execute("python", code)).stdout.splitlines()
    assert lines[:2] == ["/.code-executor/agent", "0o111"]
    assert lines[2] == "PermissionError 13"
    assert lines[3] in {"PermissionError 13", "OSError 30"}
    assert lines[4] == "[]", "the program inherited open files"


def lookalikes() -> bytes:
    """Frames that would end an execution, had the agent sent them."""
    result = struct.pack("<BBBBiiIQQQQQQ", 0, 1, 7, 0, 0, 0, 0, *[1] * 6)
    kinds = (agent.FrameType.HELLO, agent.FrameType.RESULT, agent.FrameType.FAULT)
    ids = (agent.NO_ID, secrets.token_bytes(16))
    frames = [agent.frame(kind, identity, result) for kind in kinds for identity in ids]
    return b"".join(frames) + b"\1\x12\0\0\xff\xff\xff\xff"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_bytes_that_look_like_frames_are_output(stream: str, execute: Execute) -> None:
    forged = lookalikes()
    response = await execute(
        "python",
        f"""
        import sys

        sys.{stream}.buffer.write({forged!r})
        sys.{stream}.flush()
        sys.exit(3)
        """,
        output_encoding="BYTES",
    )
    assert getattr(response, f"{stream}_bytes") == forged
    assert (response.status, response.exit_code) == (Status.RUNTIME_ERROR, 3)


async def test_nothing_of_the_service_is_in_the_environment(execute: Execute) -> None:
    code = "import os; print(*sorted(os.environ), sep='\\n')"
    names = (await execute("python", code, env={"MINE": "1"})).stdout.split()
    own = tomllib.loads((LANGUAGES / "python" / "language.toml").read_text())["run"]["env"]
    assert set(names) == {"HOME", "LANG", "MINE", "PATH", "PWD", "TMPDIR", *own}


async def test_args_and_env_as_large_as_they_may_be(execute: Execute) -> None:
    args = ["x" * 100] * 160
    env = {f"NAME{number:02}": "y" * 240 for number in range(64)}
    code = "import os, sys; print(len(sys.argv), sum(k.startswith('NAME') for k in os.environ))"
    response = await execute("python", code, args=args, env=env)
    assert response.stdout == "161 64\n"


async def test_one_runs_what_another_left_behind_never(execute: Execute) -> None:
    plant = """
        import os

        for folder in ("/tmp", "/box", "/dev/shm"):
            open(f"{folder}/planted", "w").write("x")
        print(os.getuid())
    """
    look = """
        import glob
        import os

        print(glob.glob("/*/planted") + glob.glob("/dev/shm/*"))
        print(os.getuid())
    """
    (planter,) = (await execute("python", plant)).stdout.split()
    found, looker = (await execute("python", look)).stdout.splitlines()
    assert found == "[]"
    assert looker != planter
