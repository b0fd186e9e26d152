"""Nothing that the agent reads or writes depends on the machine: its codec for arm64 beside our own.

The agent itself runs for arm64 as well in every test that takes `start` or `sandbox`. Where no machine
of arm64 is at hand an emulator runs it, so these are left to the native builds: how little memory the
agent takes, which signals it catches (the emulator catches them all), that its file cannot be read (the
emulator reads it), and how fast it is.
"""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.agent import arm64, wire
from tests.agent.conftest import make
from tests.agent.test_fuzz import WHOLE
from tests.agent.test_violations import FILE, ID, MUTATIONS, VIOLATIONS, frame

PACIASP = 0xD503233F  # signs the return address, with -mbranch-protection
MOST = (1 << 64) - 1


class Told(NamedTuple):
    """What a codec tells of conversations."""

    events: bytes
    frames: bytes

    def lines(self) -> list[str]:
        return self.events.decode("ascii").splitlines()

    def answers(self) -> list[wire.Frame]:
        received = bytearray(self.frames)
        frames = []
        while (taken := wire.take(received)) is not None:
            frames.append(taken)
        assert not received
        return frames


def tell(codec: Path, folder: Path, *conversations: bytes) -> Told:
    files = [folder / f"{number:05}" for number in range(len(conversations))]
    for file, sent in zip(files, conversations, strict=True):
        file.write_bytes(sent)
    done = subprocess.run([*arm64.command(codec), *files], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return Told(done.stderr, done.stdout)


@pytest.fixture(scope="module")
def codec(cross_built: Path) -> Path:
    """The codec for arm64."""
    return cross_built / "codec"


def first_instruction(binary: Path, function: str) -> int:
    """Of a function of an ELF file with symbols whose first segment begins at offset 0."""
    symbols = subprocess.run(["nm", binary], capture_output=True, text=True, check=True).stdout
    (address,) = [
        int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(f" T {function}")
    ]
    content = binary.read_bytes()
    offset, loaded_at = struct.unpack_from("<QQ", content, 64 + 8)  # p_offset, p_vaddr of the first
    assert offset == 0
    return int.from_bytes(content[address - loaded_at :][:4], "little")


def test_the_build_is_for_arm64_and_signs_return_addresses(cross_built: Path) -> None:
    assert [arm64.machine(cross_built / name) for name in arm64.BUILT] == 2 * [arm64.MACHINE]
    # Of the agent's own code: the C library brings its own. The codec has the agent's flags, and symbols.
    assert first_instruction(cross_built / "codec", "message_result") == PACIASP


def test_a_conversation_is_read_to_the_last_field(codec: Path, tmp_path: Path) -> None:
    command = wire.Command(
        ["a b", "\u00e9"],
        ["A=b"],
        ["c/d"],
        wall_us=MOST,
        cpu_us=MOST - 1,
        stdout_cap=MOST - 2,
        stderr_credit=0x8000_0001,
        kill_on_overflow=True,
    )
    sent = FILE + frame(wire.DATA, bytes(10), wire.FILES) + frame(wire.RUN, command.payload())
    told = tell(codec, tmp_path, sent + frame(wire.DATA, b"\xff\n") + frame(wire.KILL)[:-1])
    assert told.lines() == [
        'file stream 0 executable 0 complete 0 size 0 "f" ',
        r'file data stream 0 executable 0 complete 1 size 10 "" "' + 10 * r"\x00" + '" ',
        'run stream 0 executable 0 complete 0 size 0 ""'
        f" wall {MOST} cpu {MOST - 1} stream 1 cap {MOST - 2} credit {wire.PLENTY}"
        f" stream 2 cap {wire.PLENTY} credit 2147483649 stream 3 cap {wire.PLENTY} credit {wire.PLENTY}"
        r' overflow 1 waiting 0 argv "a b" "\xc3\xa9" env "A=b" collect "c/d" ',
        r'stdin stream 0 executable 0 complete 0 size 2 "" "\xff\x0a" ',
        'none stream 0 executable 0 complete 0 size 0 "" ',
        "left 23",
    ]


def test_numbers_are_written_as_they_were_read(codec: Path, tmp_path: Path) -> None:
    command = wire.Command(
        ["x"], collect=["y"], wall_us=MOST, cpu_us=1 << 63, stdout_cap=(1 << 32) + 1
    )
    started, ended = tell(codec, tmp_path, frame(wire.RUN, command.payload())).answers()
    assert (started.type, started.execution_id, ended.execution_id) == (wire.STARTED, ID, ID)
    result = wire.result(ended.payload)
    assert (result.wall_us, result.cpu_us, result.stdout_total) == (MOST, 1 << 63, (1 << 32) + 1)
    assert (result.measured_by, result.exit_code, result.signal) == (
        wire.GETRUSAGE,
        wire.PLENTY,
        -1,
    )


@pytest.mark.parametrize("name", sorted(set(VIOLATIONS) - {"RUN: nothing waits"}))
def test_a_violation_is_told_and_faulted(codec: Path, tmp_path: Path, name: str) -> None:
    sent, words = VIOLATIONS[name]
    told = tell(codec, tmp_path, sent)
    *_, violation, left = told.lines()
    assert violation.startswith("violation ")
    assert words in violation
    assert left.startswith("left ")
    fault = wire.fault(told.answers()[-1].payload)
    assert (fault.code, fault.errno) == (wire.FAULT_PROTOCOL, 0)
    assert words in fault.text


def damaged(seed: int) -> bytes:
    randomness = random.Random(seed)
    sent = bytearray(WHOLE)
    for _ in range(randomness.randrange(1, 6)):
        randomness.choice(MUTATIONS)(randomness, sent)
    return bytes(sent)


def test_both_architectures_tell_the_same_of_any_bytes(codec: Path, tmp_path: Path) -> None:
    conversations = [WHOLE, *(sent for sent, _ in VIOLATIONS.values()), *map(damaged, range(3000))]
    native = tell(make("codec") / "codec", tmp_path, *conversations)
    assert len({line.split(" stream")[0] for line in native.lines() if " stream" in line}) == 9
    assert tell(codec, tmp_path, *conversations) == native
