"""The codec of the agent's protocol, version 1: the server's side of agent/PROTOCOL.md.

Everything that comes from a sandbox is taken as hostile: lengths are checked before anything is
allocated, and whatever does not fit the protocol raises ProtocolError.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor_server.model import (
    Cause,
    CollectedFile,
    CollectState,
    Command,
    CommandResult,
    MeasuredBy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor_server.model import InputFile

VERSION = 1
MAX_PAYLOAD = 65_536
ID_BYTES = 16
NO_ID = bytes(ID_BYTES)

_HEADER = struct.Struct("<BBBBI16s")
_RUN = struct.Struct("<QQQQQIIIBBHHH")
_HELLO = struct.Struct("<BBBBIQI")
_RESULT = struct.Struct("<BBBBiiIQQQQQQ")
_FILE_IN = struct.Struct("<BQ")
_FILE_OUT = struct.Struct("<BBQ")
_FAULT = struct.Struct("<HI")
_U32 = struct.Struct("<I")
_OPTIONAL = 0x01
_MICROSECONDS = 1_000_000


class FrameType(enum.IntEnum):
    """What a frame carries."""

    FILE = 0x01
    RUN = 0x02
    DATA = 0x03
    CLOSE = 0x04
    CREDIT = 0x05
    KILL = 0x06
    HELLO = 0x10
    STARTED = 0x11
    RESULT = 0x12
    FAULT = 0x13


STDIN, STDOUT, STDERR, FILES = range(4)


class FaultCode(enum.IntEnum):
    """Why a command could not be run."""

    PROTOCOL = 1
    FILE_IN = 2
    EXEC = 3
    AGENT = 4


class ProtocolError(Exception):
    """The other side said something that the protocol does not allow."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came."""

    type: FrameType
    stream: int
    execution_id: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """What the agent says of itself when it is ready."""

    arch: int
    cgroup: int
    non_dumpable: bool
    is_pid_1: bool
    uid: int
    capabilities: int
    build_id: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the command could not be run."""

    code: FaultCode
    errno: int
    text: str


class FrameReader:
    """Cuts a byte stream into frames; holds at most one frame that is not yet whole."""

    def __init__(self) -> None:
        """Start at a frame boundary."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete with ``data``. Raises ProtocolError."""
        self._buffer += data
        offset = 0
        try:
            while len(self._buffer) - offset >= _HEADER.size:
                header = _HEADER.unpack_from(self._buffer, offset)
                length = _checked_length(*header[:5])
                end = offset + _HEADER.size + length
                if len(self._buffer) < end:
                    break
                payload = bytes(self._buffer[offset + _HEADER.size : end])
                offset = end
                if header[1] in _TYPES:
                    yield Frame(FrameType(header[1]), header[2], header[5], payload)
        finally:
            del self._buffer[:offset]

    @property
    def at_boundary(self) -> bool:
        """No frame has begun that is not whole."""
        return not self._buffer


_TYPES = frozenset(FrameType)


def _checked_length(version: int, kind: int, stream: int, flags: int, length: int) -> int:
    if version != VERSION:
        raise ProtocolError(f"frame version {version}, expected {VERSION}")
    if kind not in _TYPES and not flags & _OPTIONAL:
        raise ProtocolError(f"unknown frame type {kind:#x} that is not optional")
    if stream > FILES:
        raise ProtocolError(f"unknown stream {stream}")
    if length > MAX_PAYLOAD:
        raise ProtocolError(f"payload of {length} bytes, at most {MAX_PAYLOAD} are allowed")
    return length


def frame(kind: FrameType, execution_id: bytes, payload: bytes = b"", stream: int = 0) -> bytes:
    """One frame, ready to be sent."""
    return _HEADER.pack(VERSION, kind, stream, 0, len(payload), execution_id) + payload


def data_frames(execution_id: bytes, stream: int, data: bytes) -> Iterator[bytes]:
    """``data`` as DATA frames of the largest size."""
    for start in range(0, len(data), MAX_PAYLOAD):
        yield frame(FrameType.DATA, execution_id, data[start : start + MAX_PAYLOAD], stream)


def file_frames(execution_id: bytes, file: InputFile) -> Iterator[bytes]:
    """A file to be laid in the working directory."""
    head = _FILE_IN.pack(int(file.executable), len(file.content)) + file.path.encode()
    yield frame(FrameType.FILE, execution_id, head, FILES)
    yield from data_frames(execution_id, FILES, file.content)


def run_frame(execution_id: bytes, command: Command, credit: int) -> bytes:
    """The command itself; stdout, stderr and files each start with ``credit`` bytes."""
    env = [f"{name}={value}" for name, value in command.env.items()]
    head = _RUN.pack(
        round(command.wall_seconds * _MICROSECONDS),
        round(command.cpu_seconds * _MICROSECONDS),
        command.output_cap,
        command.output_cap,
        command.collect_cap,
        credit,
        credit,
        credit,
        int(command.kill_on_overflow),
        int(command.waiting),
        len(command.argv),
        len(env),
        len(command.collect),
    )
    strings = (_string(text) for text in (*command.argv, *env, *command.collect))
    return frame(FrameType.RUN, execution_id, head + b"".join(strings))


def credit_frame(execution_id: bytes, stream: int, amount: int) -> bytes:
    """Grant ``amount`` more bytes of a stream."""
    return frame(FrameType.CREDIT, execution_id, _U32.pack(amount), stream)


def _string(text: str) -> bytes:
    data = text.encode()
    return _U32.pack(len(data)) + data


def parse_credit(payload: bytes) -> int:
    """Bytes that the agent grants. Raises ProtocolError."""
    return int(_unpack(_U32, payload, "CREDIT")[0])


def parse_hello(payload: bytes) -> Hello:
    """Raises ProtocolError."""
    arch, cgroup, flags, _, uid, capabilities, size = _unpack(_HELLO, payload, "HELLO")
    build_id = payload[_HELLO.size :]
    if len(build_id) != size:
        raise ProtocolError("HELLO has a build id of the wrong length")
    return Hello(
        arch,
        cgroup,
        bool(flags & 1),
        bool(flags & 2),
        uid,
        capabilities,
        build_id.decode("ascii", "replace"),
    )


def parse_fault(payload: bytes) -> Fault:
    """Raises ProtocolError."""
    code, errno, *_ = _unpack(_FAULT, payload, "FAULT")
    text = payload[_FAULT.size : _FAULT.size + 512].decode("utf-8", "replace")
    try:
        return Fault(FaultCode(code), errno, text)
    except ValueError:
        raise ProtocolError(f"FAULT has the unknown code {code}") from None


def parse_file(payload: bytes) -> CollectedFile:
    """Head of a collected file, its content still empty. Raises ProtocolError."""
    state, mode, size = _unpack(_FILE_OUT, payload, "FILE")
    path = payload[_FILE_OUT.size :].decode("utf-8", "surrogateescape")
    try:
        return CollectedFile(path, CollectState(state), size, bool(mode & 1), b"")
    except ValueError:
        raise ProtocolError(f"FILE has the unknown state {state}") from None


def parse_result(payload: bytes) -> CommandResult:
    """Raises ProtocolError."""
    values = _unpack(_RESULT, payload, "RESULT")
    cause, measured_by, known, _, exit_code, signal, oom_kills = values[:7]
    wall, cpu, memory, out_total, err_total, collect = values[7:]
    try:
        return CommandResult(
            cause=Cause(cause),
            exit_code=exit_code,
            signal=signal,
            oom_kills=oom_kills if known & 4 else None,
            wall_seconds=wall / _MICROSECONDS,
            cpu_seconds=cpu / _MICROSECONDS if known & 1 else None,
            memory_peak_bytes=memory if known & 2 else None,
            stdout_total=out_total,
            stderr_total=err_total,
            measured_by=_MEASURED_BY[measured_by],
            collect_seconds=collect / _MICROSECONDS,
        )
    except (ValueError, KeyError):
        raise ProtocolError("RESULT has an unknown cause or measure") from None


_MEASURED_BY = {1: MeasuredBy.CGROUP_V1, 2: MeasuredBy.CGROUP_V2, 3: MeasuredBy.RUSAGE}


def _unpack(shape: struct.Struct, payload: bytes, name: str) -> tuple[int, ...]:
    if len(payload) < shape.size:
        raise ProtocolError(f"{name} has {len(payload)} bytes, at least {shape.size} are needed")
    return shape.unpack_from(payload)
