"""Files in before the command, files out after it."""

from __future__ import annotations

import errno
import os

import pytest

from tests.agent import wire
from tests.agent.conftest import Start
from tests.agent.sandbox import PYTHON, Sandbox


@pytest.fixture(params=["new kernel", "old kernel"])
def box(start: Start, request: pytest.FixtureRequest) -> Sandbox:
    """A sandbox with openat2, and one where the agent has to walk."""
    sandbox = start(old_kernel=request.param == "old kernel")
    sandbox.hello()
    return sandbox


def test_files_are_laid_down_with_their_modes(box: Sandbox) -> None:
    large = os.urandom(300_000)
    box.send_file("main.py", b"print(1)\n")
    box.send_file("a/b/c.txt", large)
    box.send_file("a/b/run.sh", b"#!/bin/sh\n", executable=True)
    box.send_file("a/empty", b"")
    names = ["main.py", "a", "a/b", "a/b/c.txt", "a/b/run.sh", "a/empty"]
    box.run("stat", "-c", "%a %s %n", *names)
    lines = box.outcome().stdout.decode().splitlines()
    assert [line for line in lines if not line.endswith((" a", " b"))] == [
        "644 9 main.py",
        lines[2],
        "644 300000 a/b/c.txt",
        "755 10 a/b/run.sh",
        "644 0 a/empty",
    ]
    assert [line.split()[0] for line in lines[1:3]] == ["755", "755"]
    assert (box.box / "a/b/c.txt").read_bytes() == large


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/abs",
        b"../up",
        b"a/../../b",
        b"a/..",
        b".",
        b"..",
        b"./a",
        b"a//b",
        b"a/",
        b"a/./b",
        b"a\0b",
        b"x" * 256,
        b"/".join([b"d"] * 17),
    ],
)
def test_hostile_paths_are_refused(box: Sandbox, path: bytes) -> None:
    box.send(wire.FILE, wire.file_payload(path, 1))
    fault = box.outcome().fault
    assert fault is not None
    assert (fault.code, fault.errno) == (wire.FAULT_PROTOCOL, 0)
    assert "FILE" in fault.text
    assert list(box.box.iterdir()) == []


@pytest.mark.parametrize("path", ["x" * 255, "/".join(["d"] * 16), "..a/...", ".hidden", "a\tb ü"])
def test_unusual_paths_are_taken(box: Sandbox, path: str) -> None:
    box.send_file(path, b"1")
    box.run("cat", path)
    assert box.outcome().stdout == b"1"


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [("a", "a", errno.EEXIST), ("a", "a/b", errno.ENOTDIR), ("a/b", "a", errno.EEXIST)],
)
def test_a_name_that_is_taken_is_a_fault_of_the_request(
    box: Sandbox, first: str, second: str, code: int
) -> None:
    box.send_file(first, b"1")
    box.send(wire.FILE, wire.file_payload(second.encode(), 1))
    assert box.outcome().fault == wire.Fault(wire.FAULT_FILE, code, second)


def test_a_link_that_is_there_is_not_followed(box: Sandbox) -> None:
    (box.box / "link").symlink_to("/tmp")
    (box.box / "file").symlink_to("target")
    box.send(wire.FILE, wire.file_payload(b"link/escaped", 1))
    assert box.outcome().fault == wire.Fault(wire.FAULT_FILE, errno.ELOOP, "link/escaped")


def test_more_than_the_box_holds_is_a_fault_of_the_request(start: Start) -> None:
    sandbox = start(box_size="1m")
    sandbox.hello()
    sandbox.send_file("large", bytes(1_500_000))
    fault = sandbox.outcome().fault
    assert fault is not None
    assert (fault.code, fault.errno) == (wire.FAULT_FILE, errno.ENOSPC)


def test_files_out(box: Sandbox) -> None:
    script = "mkdir d; printf text >d/plain; printf x >tool; chmod 700 tool; : >empty"
    names = ["tool", "d/plain", "empty"]
    outcome = box_outcome(box, script, names)
    assert outcome["d/plain"] == wire.CollectedFile(wire.SENT, 0, 4, "d/plain", b"text")
    assert outcome["tool"] == wire.CollectedFile(wire.SENT, 1, 1, "tool", b"x")
    assert outcome["empty"] == wire.CollectedFile(wire.SENT, 0, 0, "empty", b"")


def box_outcome(
    box: Sandbox, script: str, names: list[str], **limits: object
) -> dict[str, wire.CollectedFile]:
    box.run("sh", "-c", script, collect=names, **limits)
    outcome = box.outcome()
    assert outcome.ended().exit_code == 0, outcome.stderr
    return outcome.files


def test_what_is_not_a_regular_file_is_not_sent(box: Sandbox) -> None:
    script = f"""
        printf inside >real; mkdir dir; printf below >dir/file
        ln -s /etc/passwd absolute; ln -s real relative; ln -s nowhere dangling; ln -s loop loop
        ln -s dir way; mkfifo fifo
        {PYTHON} -I -S -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
    """
    names = ["absolute", "relative", "dangling", "loop", "way/file", "fifo", "socket", "dir"]
    for name, file in box_outcome(box, script, names).items():
        assert (name, file.state, file.size) == (name, wire.NOT_REGULAR, 0)


def test_what_is_missing_is_told(box: Sandbox) -> None:
    names = ["missing", "no/such/folder", "file/below"]
    for file in box_outcome(box, "echo >file", names).values():
        assert (file.state, file.size, file.mode) == (wire.MISSING, 0, 0)


def test_what_cannot_be_read_is_told(box: Sandbox) -> None:
    script = "printf 12345 >secret; chmod 0 secret; mkdir shut; echo >shut/in; chmod 0 shut"
    files = box_outcome(box, script, ["secret", "shut/in"])
    assert (files["secret"].state, files["secret"].size) == (wire.UNREADABLE, 5)
    assert files["shut/in"].state == wire.UNREADABLE
    (box.box / "shut").chmod(0o700)


def test_the_cap_is_for_all_files_together(box: Sandbox) -> None:
    script = "head -c 600 /dev/zero >a; head -c 600 /dev/zero >b; head -c 400 /dev/zero >c; echo >d"
    files = box_outcome(box, script, ["a", "b", "c", "d"], collect_cap=1000)
    assert [(f.path, f.state, f.size) for f in files.values()] == [
        ("a", wire.SENT, 600),
        ("b", wire.PAST_CAP, 600),
        ("c", wire.SENT, 400),
        ("d", wire.PAST_CAP, 1),
    ]


def test_a_sparse_file_is_measured_not_read(box: Sandbox) -> None:
    files = box_outcome(box, "truncate -s 1T huge", ["huge"])
    assert (files["huge"].state, files["huge"].size) == (wire.PAST_CAP, 1 << 40)


def test_a_large_file_waits_for_credit(box: Sandbox) -> None:
    box.run("sh", "-c", "head -c 200000 /dev/zero >large", collect=["large"], files_credit=100)
    frames = box.read_until(wire.DATA)
    assert [f.type for f in frames[-2:]] == [wire.FILE, wire.DATA]
    assert len(frames[-1].payload) == 100
    with pytest.raises(TimeoutError):
        box.read_frame(seconds=0.05)
    box.grant(wire.FILES, 1 << 20)
    rest = box.read_until(wire.RESULT)
    assert sum(len(f.payload) for f in rest if f.type == wire.DATA) == 199_900


def test_files_come_after_all_output_and_before_the_result(box: Sandbox) -> None:
    box.run("sh", "-c", "echo >f; head -c 300000 /dev/zero", collect=["f"])
    kinds = [(f.type, f.stream) for f in box.outcome().frames if f.type != wire.CREDIT]
    assert kinds[0] == (wire.STARTED, 0)
    assert set(kinds[1:-3]) == {(wire.DATA, wire.STDOUT)}
    assert kinds[-3:] == [(wire.FILE, 0), (wire.DATA, wire.FILES), (wire.RESULT, 0)]


def test_files_of_a_command_that_was_ended_come_too(box: Sandbox) -> None:
    box.run("sh", "-c", "echo partial >f; sleep 60", collect=["f"], wall_us=300_000)
    outcome = box.outcome()
    assert outcome.ended().cause == wire.WALL
    assert outcome.files["f"].content == b"partial\n"
