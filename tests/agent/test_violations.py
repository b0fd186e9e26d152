"""A server that breaks the protocol gets FAULT 1 and no more; whatever it sends, the agent does not fall."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable

import pytest

from tests.agent import wire
from tests.agent.conftest import Start
from tests.agent.sandbox import Sandbox

ID = bytes(range(16))


def frame(kind: int, payload: bytes = b"", stream: int = 0, **lies: int) -> bytes:
    return wire.frame(kind, payload, stream, ID, **lies)


def run_payload(**changes: object) -> bytes:
    return wire.Command(["sleep", "60"], **changes).payload()  # type: ignore[arg-type]


def with_bytes(at: int, replacement: bytes) -> bytes:
    payload = bytearray(run_payload())
    payload[at : at + len(replacement)] = replacement
    return bytes(payload)


RUN = frame(wire.RUN, run_payload())
FILE = frame(wire.FILE, wire.file_payload(b"f", 10))
FIXED = struct.calcsize("<QQQQQIIIBBHHH")

VIOLATIONS = {
    "another version": (frame(wire.KILL, version=2), "version"),
    "version 0": (bytes(24), "version"),
    "a length past the bound": (frame(wire.FILE, length=65_537), "65536"),
    "the largest length": (frame(wire.RUN, length=0xFFFF_FFFF), "65536"),
    "an unknown type": (frame(0x7F), "unknown"),
    "a type of the agent's": (frame(wire.RESULT, bytes(72)), "unknown"),
    "DATA(0) before RUN": (frame(wire.DATA, b"x", wire.STDIN), "before RUN"),
    "CLOSE before RUN": (frame(wire.CLOSE), "before RUN"),
    "CREDIT before RUN": (frame(wire.CREDIT, bytes(4), wire.STDOUT), "before RUN"),
    "KILL before RUN": (frame(wire.KILL), "before RUN"),
    "DATA(3) without FILE": (frame(wire.DATA, b"x", wire.FILES), "announced"),
    "DATA(3) past its FILE": (FILE + frame(wire.DATA, bytes(11), wire.FILES), "announced"),
    "FILE inside of a file": (FILE + FILE, "under way"),
    "RUN inside of a file": (FILE + RUN, "under way"),
    "FILE of another mode": (frame(wire.FILE, wire.file_payload(b"f", 1, 2)), "mode"),
    "FILE cut off": (frame(wire.FILE, bytes(8)), "fixed fields"),
    "DATA(1)": (RUN + frame(wire.DATA, b"x", wire.STDOUT), "only the agent"),
    "DATA of no stream": (RUN + frame(wire.DATA, b"x", 200), "only the agent"),
    "empty DATA": (RUN + frame(wire.DATA, b"", wire.STDIN), "empty"),
    "DATA(0) past the credit": (RUN + 4 * frame(wire.DATA, bytes(65_536)), "granted"),
    "DATA(0) after CLOSE": (RUN + frame(wire.CLOSE) + frame(wire.DATA, b"x"), "after CLOSE"),
    "CLOSE twice": (RUN + 2 * frame(wire.CLOSE), "twice"),
    "CLOSE of an output": (RUN + frame(wire.CLOSE, b"", wire.STDOUT), "stdin"),
    "CLOSE with bytes": (RUN + frame(wire.CLOSE, b"x"), "empty"),
    "CREDIT for stdin": (RUN + frame(wire.CREDIT, bytes(4), wire.STDIN), "does not send"),
    "CREDIT for no stream": (RUN + frame(wire.CREDIT, bytes(4), 4), "does not send"),
    "CREDIT of three bytes": (RUN + frame(wire.CREDIT, bytes(3), wire.STDOUT), "four bytes"),
    "KILL with bytes": (RUN + frame(wire.KILL, b"x"), "not empty"),
    "a second RUN": (RUN + RUN, "second"),
    "FILE after RUN": (RUN + FILE, "the command runs"),
    "another id": (RUN + wire.frame(wire.KILL, b"", 0, bytes(16)), "another execution"),
    "another id, optional": (
        RUN + wire.frame(0x7F, b"", 0, bytes(16), flags=wire.OPTIONAL),
        "another execution",
    ),
    "RUN: empty": (frame(wire.RUN), "fixed fields"),
    "RUN: cut in the fixed fields": (frame(wire.RUN, run_payload()[: FIXED - 7]), "fixed fields"),
    "RUN: cut in a string": (frame(wire.RUN, run_payload()[:-1]), "cut off"),
    "RUN: bytes at its end": (frame(wire.RUN, run_payload() + b"x"), "after the last"),
    "RUN: no arguments": (frame(wire.RUN, wire.Command([]).payload()), "at least one"),
    "RUN: no wall time": (frame(wire.RUN, run_payload(wall_us=0)), "wall time"),
    "RUN: overflow 2": (frame(wire.RUN, with_bytes(52, b"\2")), "overflow"),
    "RUN: unknown flag": (frame(wire.RUN, with_bytes(53, b"\2")), "a flag is unknown"),
    "RUN: nothing waits": (frame(wire.RUN, with_bytes(53, b"\1")), "no process waits"),
    "RUN: more strings than bytes": (frame(wire.RUN, with_bytes(54, b"\xff" * 6)), "cut off"),
    "RUN: a huge string": (frame(wire.RUN, with_bytes(FIXED, b"\xff" * 4)), "cut off"),
    "RUN: NUL in a string": (frame(wire.RUN, wire.Command(["a\0b"]).payload()), "NUL"),
    "RUN: env without =": (frame(wire.RUN, run_payload(env=["PATH"])), "NAME=value"),
    "RUN: env without a name": (frame(wire.RUN, run_payload(env=["=x"])), "NAME=value"),
    "RUN: collect upwards": (frame(wire.RUN, run_payload(collect=["a/../b"])), "collect"),
    "RUN: collect absolute": (frame(wire.RUN, run_payload(collect=["/etc/passwd"])), "collect"),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_a_fault_and_the_end(sandbox: Sandbox, name: str) -> None:
    sent, words = VIOLATIONS[name]
    sandbox.hello()
    begun = time.monotonic()
    sandbox.execution_id = wire.NO_ID if "version" in name else ID  # nothing to take an id from
    sandbox.send_bytes(sent)
    faulted = sandbox.read_until(wire.FAULT)[-1]
    fault = wire.fault(faulted.payload)
    assert (fault.code, fault.errno) == (wire.FAULT_PROTOCOL, 0)
    assert words in fault.text
    assert faulted.execution_id == sandbox.execution_id
    assert sandbox.processes() == []
    sandbox.send_bytes(RUN)  # too late: not taken
    sandbox.close()
    assert sandbox.read_frame() is None
    assert sandbox.wait() == 0
    assert time.monotonic() - begun < 3


def test_optional_frames_are_skipped(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.execution_id = ID
    extra = frame(0x7F, bytes(65_536), 9, flags=wire.OPTIONAL)
    sandbox.send_bytes(extra + frame(0x42, b"", flags=0xFF))
    sandbox.run("echo", "fine")
    sandbox.send_bytes(extra)
    assert sandbox.outcome().stdout == b"fine\n"


def test_frames_may_come_in_any_pieces(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.execution_id = ID
    file = frame(wire.FILE, wire.file_payload(b"f", 5))
    sent = file + frame(wire.DATA, b"he", wire.FILES) + frame(wire.DATA, b"llo", wire.FILES)
    sent += frame(wire.RUN, wire.Command(["cat", "f"]).payload())
    for byte in sent:
        sandbox.send_bytes(bytes([byte]))
    assert sandbox.outcome().stdout == b"hello"


def test_credit_adds_up_without_overflow(sandbox: Sandbox) -> None:
    sandbox.hello()
    sandbox.run("sh", "-c", "read x; echo $x", stdout_credit=0xFFFF_FFFF)
    for _ in range(3):
        sandbox.grant(wire.STDOUT, 0xFFFF_FFFF)
    sandbox.send_stdin(b"yes\n")
    assert sandbox.outcome().stdout == b"yes\n"


def test_the_largest_limits_do_not_overflow(sandbox: Sandbox) -> None:
    most = (1 << 64) - 1
    limits = dict.fromkeys(("wall_us", "cpu_us", "stdout_cap", "stderr_cap", "collect_cap"), most)
    outcome = sandbox.execute("sh", "-c", "echo fine >f; cat f", collect=["f"], **limits)
    assert (outcome.stdout, outcome.files["f"].content) == (b"fine\n", b"fine\n")
    assert outcome.ended().cause == wire.EXITED


def flip(randomness: random.Random, sent: bytearray) -> None:
    sent[randomness.randrange(len(sent))] ^= 1 << randomness.randrange(8)


def cut(randomness: random.Random, sent: bytearray) -> None:
    at = randomness.randrange(len(sent))
    del sent[at : at + randomness.randrange(1, 40)]


def repeat(randomness: random.Random, sent: bytearray) -> None:
    at = randomness.randrange(len(sent))
    sent[at:at] = sent[at : at + randomness.randrange(1, 200)]


MUTATIONS: list[Callable[[random.Random, bytearray], None]] = [flip, cut, repeat]


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_conversation_never_fells_the_agent(start: Start, seed: int) -> None:
    randomness = random.Random(seed)
    command = wire.Command(["sh", "-c", "cat f"], collect=["f"], wall_us=300_000)
    sent = bytearray(FILE + frame(wire.DATA, bytes(10), wire.FILES))
    sent += frame(wire.RUN, command.payload()) + frame(wire.DATA, b"in") + frame(wire.CLOSE)
    for _ in range(randomness.randrange(1, 4)):
        randomness.choice(MUTATIONS)(randomness, sent)
    sandbox = start()
    sandbox.hello()
    sandbox.send_bytes(bytes(sent))
    sandbox.close()
    while sandbox.read_frame() is not None:
        pass
    assert sandbox.wait() == 0, sandbox.errors()
