"""The frames of agent/PROTOCOL.md, written a second time, from the description alone.

It shares nothing with the server's codec: two readings of one text check each other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

VERSION = 1
MAX_PAYLOAD = 65_536
HEADER = struct.Struct("<BBBBI16s")
NO_ID = bytes(16)

FILE, RUN, DATA, CLOSE, CREDIT, KILL = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
HELLO, STARTED, RESULT, FAULT = 0x10, 0x11, 0x12, 0x13
STDIN, STDOUT, STDERR, FILES = 0, 1, 2, 3
OPTIONAL = 1

EXITED, SIGNALED, WALL, CPU, OUTPUT, KILLED = range(6)
SENT, MISSING, NOT_REGULAR, PAST_CAP, UNREADABLE = range(5)
FAULT_PROTOCOL, FAULT_FILE, FAULT_EXEC, FAULT_AGENT = 1, 2, 3, 4
CGROUP_V1, CGROUP_V2, GETRUSAGE = 1, 2, 3
KNOWS_CPU, KNOWS_MEMORY, KNOWS_OOM_KILLS = 1, 2, 4

PLENTY = 64 << 20  # more bytes than any test moves


@dataclass(frozen=True)
class Frame:
    """One frame from the agent."""

    type: int
    stream: int
    flags: int
    execution_id: bytes
    payload: bytes


@dataclass(frozen=True)
class Hello:
    """What the agent says of itself."""

    architecture: int
    cgroup: int
    not_dumpable: bool
    pid_1: bool
    uid: int
    capabilities: int
    build_id: str


@dataclass(frozen=True)
class Result:
    """How the command ended; times in microseconds, memory in bytes."""

    cause: int
    measured_by: int
    known: int
    exit_code: int
    signal: int
    oom_kills: int
    wall_us: int
    cpu_us: int
    memory_peak: int
    stdout_total: int
    stderr_total: int
    collect_us: int


@dataclass(frozen=True)
class Fault:
    """Why there is no result."""

    code: int
    errno: int
    text: str


@dataclass(frozen=True)
class CollectedFile:
    """A file that RUN named."""

    state: int
    mode: int
    size: int
    path: str
    content: bytes = b""


@dataclass(frozen=True)
class Command:
    """The fields of RUN."""

    argv: list[str]
    env: list[str] = field(default_factory=lambda: ["PATH=/usr/local/bin:/usr/bin:/bin"])
    collect: list[str] = field(default_factory=list)
    wall_us: int = 10_000_000
    cpu_us: int = 0
    stdout_cap: int = PLENTY
    stderr_cap: int = PLENTY
    collect_cap: int = PLENTY
    stdout_credit: int = PLENTY
    stderr_credit: int = PLENTY
    files_credit: int = PLENTY
    kill_on_overflow: bool = False
    waiting: bool = False

    def payload(self) -> bytes:
        """RUN's payload."""
        fixed = struct.pack(
            "<QQQQQIIIBBHHH",
            self.wall_us,
            self.cpu_us,
            self.stdout_cap,
            self.stderr_cap,
            self.collect_cap,
            self.stdout_credit,
            self.stderr_credit,
            self.files_credit,
            int(self.kill_on_overflow),
            int(self.waiting),
            len(self.argv),
            len(self.env),
            len(self.collect),
        )
        return fixed + b"".join(string(s) for s in [*self.argv, *self.env, *self.collect])


def string(text: str) -> bytes:
    """A string: length, then bytes."""
    encoded = text.encode()
    return struct.pack("<I", len(encoded)) + encoded


def frame(
    kind: int,
    payload: bytes = b"",
    stream: int = 0,
    execution_id: bytes = NO_ID,
    *,
    version: int = VERSION,
    flags: int = 0,
    length: int | None = None,
) -> bytes:
    """A frame; `length` where the header shall lie about the payload."""
    claimed = len(payload) if length is None else length
    return HEADER.pack(version, kind, stream, flags, claimed, execution_id) + payload


def file_payload(path: bytes, size: int, mode: int = 0) -> bytes:
    """FILE's payload, to the agent."""
    return struct.pack("<BQ", mode, size) + path


def chunks(content: bytes, size: int = MAX_PAYLOAD) -> list[bytes]:
    """`content` cut into payloads."""
    return [content[at : at + size] for at in range(0, len(content), size)]


def take(received: bytearray) -> Frame | None:
    """Removes the first frame of `received`, where it is whole."""
    if len(received) < HEADER.size:
        return None
    version, kind, stream, flags, length, execution_id = HEADER.unpack_from(received)
    assert version == VERSION
    assert length <= MAX_PAYLOAD
    if len(received) < HEADER.size + length:
        return None
    payload = bytes(received[HEADER.size : HEADER.size + length])
    del received[: HEADER.size + length]
    return Frame(kind, stream, flags, execution_id, payload)


def hello(payload: bytes) -> Hello:
    """Reads HELLO."""
    arch, cgroup, flags, _, uid, capabilities, size = struct.unpack_from("<BBBBIQI", payload)
    assert len(payload) == 20 + size
    build_id = payload[20:].decode()
    return Hello(arch, cgroup, bool(flags & 1), bool(flags & 2), uid, capabilities, build_id)


def result(payload: bytes) -> Result:
    """Reads RESULT."""
    cause, measured_by, known, _, *rest = struct.unpack("<BBBBiiIQQQQQQ", payload)
    return Result(cause, measured_by, known, *rest)


def fault(payload: bytes) -> Fault:
    """Reads FAULT."""
    code, errno = struct.unpack_from("<HI", payload)
    assert len(payload) <= 6 + 512
    return Fault(code, errno, payload[6:].decode())


def collected_file(payload: bytes) -> CollectedFile:
    """Reads FILE, from the agent."""
    state, mode, size = struct.unpack_from("<BBQ", payload)
    return CollectedFile(state, mode, size, payload[10:].decode())


def credit(payload: bytes) -> int:
    """Reads CREDIT."""
    (amount,) = struct.unpack("<I", payload)
    return int(amount)
