"""A sandbox without an engine: the agent's own binary as PID 1 of fresh namespaces, not root.

The control groups that it sees are a folder of the test's, laid over /sys/fs/cgroup in the agent's
mount namespace: the binary itself has no switch for tests.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import selectors
import shutil
import signal
import struct
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from tests.agent import wire

UID = 100_000 + secrets.randbelow(1 << 20)  # limits counted by user meet nobody else's
PATIENCE_SECONDS = 20.0
PYTHON = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin") or "python3"

_ENTER = """
mount --bind "$CGROUP" /sys/fs/cgroup &&
{ [ -z "$BOX_SIZE" ] || mount -t tmpfs -o "size=$BOX_SIZE,mode=0700,uid=$UID_OF_BOX" box "$BOX"; } &&
cd "$BOX" &&
exec setpriv --reuid "$UID_OF_BOX" --regid "$UID_OF_BOX" --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all -- "$AGENT" "$@"
"""


@dataclass
class Outcome:
    """All that the agent said from RUN on."""

    started: bool = False
    stdout: bytes = b""
    stderr: bytes = b""
    files: dict[str, wire.CollectedFile] = field(default_factory=dict)
    result: wire.Result | None = None
    fault: wire.Fault | None = None
    frames: list[wire.Frame] = field(default_factory=list)

    def ended(self) -> wire.Result:
        """The result, where there is one."""
        assert self.fault is None, self.fault
        assert self.result is not None
        return self.result


class Sandbox:
    """The server's side of one agent."""

    def __init__(
        self,
        agent: Path,
        folder: Path,
        *arguments: str,
        box_size: str = "",
        old_kernel: bool = False,
        leak: tuple[int, ...] = (),
    ) -> None:
        self.box = folder / "box"
        self.execution_id = secrets.token_bytes(16)
        self.stdin_credit = 0
        self._received = bytearray()
        namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc"]
        self.process = subprocess.Popen(
            ["unshare", *namespaces, "--kill-child", "sh", "-c", _ENTER, "sh", *arguments],
            pass_fds=leak,
            preexec_fn=refuse_new_system_calls if old_kernel else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={
                "PATH": os.environ["PATH"],
                "AGENT": str(agent),
                "BOX": str(self.box),
                "BOX_SIZE": box_size,
                "CGROUP": str(folder / "cgroup"),
                "UID_OF_BOX": str(UID),
                "ASAN_OPTIONS": "detect_leaks=0",
                "SECRET": "of the agent",
            },
        )

    @property
    def _input(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def send_bytes(self, data: bytes) -> None:
        """Sends bytes as they are."""
        view = memoryview(data)
        while view:
            view = view[self._input.write(view) or 0 :]

    def send(self, kind: int, payload: bytes = b"", stream: int = 0) -> None:
        """Sends a frame of this execution."""
        self.send_bytes(wire.frame(kind, payload, stream, self.execution_id))

    def send_file(self, path: str, content: bytes, *, executable: bool = False) -> None:
        """Sends FILE and its DATA."""
        self.send(wire.FILE, wire.file_payload(path.encode(), len(content), int(executable)))
        for chunk in wire.chunks(content):
            self.send(wire.DATA, chunk, wire.FILES)

    def send_stdin(self, data: bytes) -> None:
        """Sends stdin as the agent grants it; returns when all was sent."""
        while data:
            while self.stdin_credit == 0:
                self.read_until(wire.CREDIT)
            chunk = data[: min(self.stdin_credit, wire.MAX_PAYLOAD)]
            self.send(wire.DATA, chunk, wire.STDIN)
            self.stdin_credit -= len(chunk)
            data = data[len(chunk) :]

    def grant(self, stream: int, amount: int) -> None:
        """Sends CREDIT."""
        self.send(wire.CREDIT, amount.to_bytes(4, "little"), stream)

    def close(self) -> None:
        """The server goes away."""
        self._input.close()

    def read_frame(self, seconds: float = PATIENCE_SECONDS) -> wire.Frame | None:
        """The next frame; None at the end of the stream. TimeoutError after `seconds`."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while (frame := wire.take(self._received)) is None:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"no frame in {seconds} s; {self.process.poll()=}")
                if not (data := os.read(self._output.fileno(), 1 << 20)):
                    assert not self._received, "the stream ended inside a frame"
                    return None
                self._received += data
        if frame.type == wire.CREDIT:
            assert frame.stream == wire.STDIN
            self.stdin_credit += wire.credit(frame.payload)
        return frame

    def hello(self) -> wire.Hello:
        """Reads HELLO, the first frame."""
        frame = self.read_frame()
        if frame is None:
            raise AssertionError(f"no HELLO: {self.errors()}")
        assert (frame.type, frame.execution_id) == (wire.HELLO, wire.NO_ID)
        return wire.hello(frame.payload)

    def read_until(self, kind: int, seconds: float = PATIENCE_SECONDS) -> list[wire.Frame]:
        """Frames up to and with the first of a type."""
        frames: list[wire.Frame] = []
        while not frames or frames[-1].type != kind:
            frame = self.read_frame(seconds)
            assert frame is not None, f"the stream ended before a frame of type {kind:#x}"
            frames.append(frame)
        return frames

    def run(self, *argv: str, **limits: object) -> None:
        """Sends RUN; `limits` are fields of wire.Command."""
        command = replace(wire.Command(list(argv)), **limits)  # type: ignore[arg-type]
        self.send(wire.RUN, command.payload())

    def outcome(self) -> Outcome:
        """Reads to RESULT or FAULT, then lets the agent go and waits for its end."""
        outcome = Outcome()
        while outcome.result is None and outcome.fault is None:
            frame = self.read_frame()
            assert frame is not None, f"the stream ended without RESULT: {self.errors()}"
            assert frame.execution_id == self.execution_id
            _add(outcome, frame)
        self.close()
        assert self.read_frame() is None
        assert self.wait() == 0, self.errors()
        for path, file in outcome.files.items():
            assert len(file.content) == (file.size if file.state == wire.SENT else 0), path
        return outcome

    def execute(self, *argv: str, **limits: object) -> Outcome:
        """HELLO, RUN, everything up to the end."""
        self.hello()
        return self.execute_after_hello(*argv, **limits)

    def execute_after_hello(self, *argv: str, **limits: object) -> Outcome:
        """RUN, everything up to the end."""
        self.run(*argv, **limits)
        return self.outcome()

    def agent_pid(self) -> int:
        """The agent's process number outside its namespace. Wait for HELLO first."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def agent_cpu_seconds(self) -> float:
        """CPU time that the agent itself has used."""
        fields = Path(f"/proc/{self.agent_pid()}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def processes(self) -> list[int]:
        """The agent's descendants, dead ones too that nobody reaped, by their numbers outside."""
        parents = _parents()
        found = [self.agent_pid()]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found[1:]

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """The agent's exit status."""
        return self.process.wait(seconds)

    def errors(self) -> str:
        """What was written to standard error (nothing, by a healthy agent)."""
        assert self.process.stderr is not None
        self.process.kill()
        return self.process.stderr.read().decode()

    def stop(self) -> None:
        """Ends the agent, and with it its namespace, whatever its state.

        Not by --kill-child alone: the change of user in between takes that signal back.
        """
        with contextlib.suppress(FileNotFoundError, IndexError, ProcessLookupError):
            os.kill(self.agent_pid(), signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def _parents() -> dict[int, int]:
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(fields[1])
    return parents


def refuse_new_system_calls() -> None:
    """A seccomp filter that answers ENOSYS to close_range and openat2, as a kernel before 5.6 does."""
    load, jump_if_equal, give_back = 0x20, 0x15, 0x06
    allow, no_such_call = 0x7FFF0000, 0x00050000 | errno.ENOSYS
    program = [
        (load, 0, 0, 0),  # the number of the system call
        (jump_if_equal, 1, 0, 436),  # close_range, on every architecture
        (jump_if_equal, 0, 1, 437),  # openat2
        (give_back, 0, 0, no_such_call),
        (give_back, 0, 0, allow),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in program))
    header = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    pr_set_seccomp, seccomp_mode_filter = 22, 2
    if libc.prctl(pr_set_seccomp, seccomp_mode_filter, header) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")


def _add(outcome: Outcome, frame: wire.Frame) -> None:
    outcome.frames.append(frame)
    if frame.type == wire.STARTED:
        outcome.started = True
    elif frame.type == wire.DATA and frame.stream == wire.STDOUT:
        outcome.stdout += frame.payload
    elif frame.type == wire.DATA and frame.stream == wire.STDERR:
        outcome.stderr += frame.payload
    elif frame.type == wire.DATA and frame.stream == wire.FILES:
        path, file = list(outcome.files.items())[-1]
        outcome.files[path] = replace(file, content=file.content + frame.payload)
    elif frame.type == wire.FILE:
        file = wire.collected_file(frame.payload)
        outcome.files[file.path] = file
    elif frame.type == wire.RESULT:
        outcome.result = wire.result(frame.payload)
    elif frame.type == wire.FAULT:
        outcome.fault = wire.fault(frame.payload)
    else:
        assert frame.type == wire.CREDIT, frame
