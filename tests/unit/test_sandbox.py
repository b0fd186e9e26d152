"""The server's side of a conversation with an agent, good ones and hostile ones."""

from __future__ import annotations

import asyncio
import errno
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor_server import agent, conversation
from executor_server.agent import FrameType
from executor_server.conversation import CREDIT_WINDOW
from executor_server.engine.events import Fate
from executor_server.errors import SandboxError, SandboxStartError
from executor_server.model import (
    Cause,
    Command,
    CommandResult,
    InputFile,
    Output,
    Running,
    Stream,
)
from executor_server.sandbox import QUEUE_BYTES, Sandbox
from tests.unit.fake_agent import FakeStream, hello_payload, result_payload, types
from tests.unit.values import a_command, a_spec

Talk = tuple[Sandbox, FakeStream]


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    stream = FakeStream()
    one = Sandbox(a_spec(), "container", stream, Fate())  # type: ignore[arg-type]
    yield one, stream
    await one.close()
    assert stream.closed


def run(talk: Talk, command: Command) -> asyncio.Task[list[Any]]:
    """Run the command in the background; its result is the list of its events."""

    async def events() -> list[Any]:
        async with aclosing(talk[0].run(command)) as found:
            return [event async for event in found]

    return asyncio.create_task(events())


async def test_hello(talk: Talk) -> None:
    talk[1].say(FrameType.HELLO, hello_payload())
    hello = await talk[0].hello()
    assert (hello.uid, hello.build_id, hello.is_pid_1) == (123_456, "test", True)


@pytest.mark.parametrize(
    "greet",
    [
        lambda stream: stream.say(FrameType.HELLO, hello_payload(flags=0b01)),
        lambda stream: stream.say(FrameType.HELLO, hello_payload(flags=0b10)),
        lambda stream: stream.say(FrameType.HELLO, b"short"),
        lambda stream: stream.say(FrameType.RESULT, result_payload()),
        lambda stream: stream.say_raw(b"exec format error" * 10),
        lambda stream: stream.end(),
    ],
    ids=["dumpable", "not PID 1", "cut", "no hello", "no agent", "gone"],
)
async def test_who_does_not_greet_well_is_not_used(
    greet: Callable[[FakeStream], None], talk: Talk
) -> None:
    greet(talk[1])
    with pytest.raises(SandboxStartError):
        await talk[0].hello()


async def test_a_command_from_its_files_to_its_result(talk: Talk) -> None:
    command = a_command(files=(InputFile("a", b"1" * 70_000),), collect=("out",), collect_cap=100)
    task = run(talk, command)
    await talk[1].until(FrameType.RUN)
    sent = types(talk[1].sent)
    assert sent == [FrameType.FILE, FrameType.DATA, FrameType.DATA, FrameType.RUN, FrameType.CLOSE]
    talk[1].say(FrameType.STARTED)
    talk[1].say(FrameType.DATA, b"hello", agent.STDOUT)
    talk[1].say(FrameType.DATA, b"oh", agent.STDERR)
    talk[1].say(FrameType.FILE, struct.pack("<BBQ", 0, 1, 5) + b"out")
    talk[1].say(FrameType.DATA, b"con", agent.FILES)
    talk[1].say(FrameType.DATA, b"ts", agent.FILES)
    talk[1].say(FrameType.RESULT, result_payload(exit_code=3, out=5))
    running, out, err, file, result = await task
    assert isinstance(running, Running)
    assert (out, err) == (Output(Stream.STDOUT, b"hello"), Output(Stream.STDERR, b"oh"))
    assert (file.path, file.content, file.executable) == ("out", b"conts", True)
    assert (result.cause, result.exit_code, result.stdout_total) == (Cause.EXITED, 3, 5)


async def test_input_is_sent_as_the_agent_grants_it(talk: Talk) -> None:
    task = run(talk, a_command(stdin=b"x" * 100))
    await talk[1].until(FrameType.RUN)
    assert FrameType.DATA not in types(talk[1].sent)
    for amount in (30, 60, 1000):
        talk[1].say(FrameType.CREDIT, struct.pack("<I", amount), agent.STDIN)
    await talk[1].until(FrameType.CLOSE)
    pieces = [frame.payload for frame in talk[1].sent if frame.type is FrameType.DATA]
    assert list(map(len, pieces)) == [30, 60, 10]
    talk[1].say(FrameType.RESULT, result_payload())
    await task


async def test_output_is_granted_as_it_is_read(talk: Talk) -> None:
    task = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    for _ in range(10):
        for _ in range(CREDIT_WINDOW // 2 // 65_536):
            talk[1].say(FrameType.DATA, bytes(65_536), agent.STDOUT)
        await asyncio.sleep(0.01)
    granted = [f for f in talk[1].sent if f.type is FrameType.CREDIT]
    assert {frame.stream for frame in granted} == {agent.STDOUT}
    assert sum(agent.parse_credit(frame.payload) for frame in granted) == 10 * CREDIT_WINDOW // 2
    talk[1].say(FrameType.RESULT, result_payload())
    await task


def file_head(path: bytes, size: int, state: int = 0) -> bytes:
    return struct.pack("<BBQ", state, 0, size) + path


def frames(*said: tuple[FrameType, bytes, int]) -> Callable[[FakeStream], None]:
    """Say these frames."""

    def say(stream: FakeStream) -> None:
        for kind, payload, number in said:
            stream.say(kind, payload, number)

    return say


OUTPUT = (FrameType.DATA, bytes(65_536), agent.STDOUT)
HOSTILE: dict[str, Callable[[FakeStream], None]] = {
    "another execution": lambda s: s.say_raw(
        agent.frame(FrameType.RESULT, b"?" * 16, result_payload())
    ),
    "hello again": frames((FrameType.HELLO, hello_payload(), 0)),
    "a frame of the server's": frames((FrameType.KILL, b"", 0)),
    "a bad result": frames((FrameType.RESULT, result_payload(cause=77), 0)),
    "a cut result": frames((FrameType.RESULT, b"cut", 0)),
    "more output than granted": frames(*[OUTPUT] * 5),
    "output as input": frames((FrameType.DATA, b"x", agent.STDIN)),
    "a file that nobody asked for": frames((FrameType.FILE, file_head(b"etc", 1), 0)),
    "a file past the cap": frames((FrameType.FILE, file_head(b"out", 101), 0)),
    "a file in a file": frames(*[(FrameType.FILE, file_head(b"out", 9), 0)] * 2),
    "data of no file": frames((FrameType.DATA, b"x", agent.FILES)),
    "too much of a file": frames(
        (FrameType.FILE, file_head(b"out", 3), 0), (FrameType.DATA, b"four", agent.FILES)
    ),
    "no frame at all": lambda s: s.say_raw(b"\xff" * 100),
    "a length of 4 GiB": lambda s: s.say_raw(b"\1\3\1\0\xff\xff\xff\xff" + bytes(16)),
}


@pytest.mark.parametrize("say", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_agent_is_an_error_of_the_sandbox(
    say: Callable[[FakeStream], None], talk: Talk
) -> None:
    task = run(talk, a_command(collect=("out",), collect_cap=100))
    await talk[1].until(FrameType.RUN)
    say(talk[1])
    with pytest.raises(SandboxError):
        await asyncio.wait_for(task, 5)


async def test_an_agent_that_talks_while_it_waits_is_no_more(talk: Talk) -> None:
    talk[1].say(FrameType.HELLO, hello_payload())
    await talk[0].hello()
    talk[1].say(FrameType.STARTED)
    await asyncio.sleep(0.01)
    assert not talk[0].alive


async def test_what_the_container_writes_to_stderr_is_no_frame(talk: Talk) -> None:
    task = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    talk[1].say_raw(b"runtime: something went wrong", source=2)
    talk[1].say(FrameType.RESULT, result_payload())
    assert len(await task) == 1


async def test_a_fault_before_the_start_is_an_error_of_the_start(talk: Talk) -> None:
    task = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    talk[1].say(FrameType.FAULT, struct.pack("<HI", 3, 2) + b"no such program")
    with pytest.raises(SandboxStartError, match="EXEC: no such program"):
        await task


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (errno.ENOENT, 127, b"program: No such file or directory\n"),
        (errno.EACCES, 126, b"program: Permission denied\n"),
        (2**32 - 1, 126, b"program: Unknown error 4095\n"),
    ],
)
async def test_a_program_of_the_requests_that_is_none_fails(
    number: int, code: int, said: bytes, talk: Talk
) -> None:
    task = run(talk, a_command(program_is_theirs=True))
    await talk[1].until(FrameType.RUN)
    talk[1].say(FrameType.FAULT, struct.pack("<HI", 3, number) + b"exec")
    running, output, result = await task
    assert isinstance(running, Running)
    assert output == Output(Stream.STDERR, said)
    assert (result.cause, result.exit_code, result.signal) == (Cause.EXITED, code, 0)
    assert (result.stderr_total, result.cpu_seconds, result.oom_kills) == (len(said), None, None)


@pytest.mark.parametrize("code", [1, 2, 4])
async def test_every_other_fault_is_the_sandboxs(code: int, talk: Talk) -> None:
    task = run(talk, a_command(program_is_theirs=True))
    await talk[1].until(FrameType.RUN)
    talk[1].say(FrameType.FAULT, struct.pack("<HI", code, 2) + b"why")
    with pytest.raises(SandboxStartError):
        await task


async def test_a_program_that_runs_cannot_turn_out_to_be_none(talk: Talk) -> None:
    task = run(talk, a_command(program_is_theirs=True))
    await talk[1].until(FrameType.RUN)
    talk[1].say(FrameType.STARTED)
    talk[1].say(FrameType.FAULT, struct.pack("<HI", 3, 2) + b"exec")
    with pytest.raises(SandboxError):
        await task


@pytest.mark.parametrize(
    ("kind", "payload", "stream"),
    [
        (FrameType.CREDIT, bytes(agent.MAX_PAYLOAD), agent.STDIN),
        (FrameType.DATA, b"x", agent.STDOUT),
    ],
    ids=["frames that need no credit", "frames of one byte"],
)
async def test_a_flood_of_frames_does_not_pile_up(
    kind: FrameType, payload: bytes, stream: int, talk: Talk
) -> None:
    task = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    frame = agent.frame(kind, talk[1].sent[0].execution_id, payload, stream)
    for _ in range(QUEUE_BYTES // len(frame) + 10):
        talk[1].say_raw(frame)  # nobody else has a turn meanwhile
    talk[1].say(FrameType.RESULT, result_payload())
    with pytest.raises(SandboxError, match="more frames than can wait"):
        await task


async def test_any_number_of_frames_may_come_as_they_are_taken(talk: Talk) -> None:
    task = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    for _ in range(500):
        for _ in range(100):
            talk[1].say(FrameType.DATA, b"x", agent.STDOUT)
        await asyncio.sleep(0)
    talk[1].say(FrameType.RESULT, result_payload())
    assert len(await task) == 500 * 100 + 1


async def test_a_sandbox_runs_one_command(talk: Talk) -> None:
    first = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    talk[1].say(FrameType.RESULT, result_payload())
    await first
    with pytest.raises(SandboxError, match="one command"):
        await run(talk, a_command())


async def test_killing_asks_the_agent_and_waits_for_its_result(talk: Talk) -> None:
    task = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    await talk[0].kill()
    await talk[1].until(FrameType.KILL)
    talk[1].say(FrameType.RESULT, result_payload(cause=5, exit_code=137))
    assert (await task)[-1].cause is Cause.KILLED


async def test_a_silent_agent_meets_the_servers_own_deadline(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "GRACE_SECONDS", 0.1)
    task = run(talk, a_command(wall_seconds=0.1))
    await talk[1].until(FrameType.RUN)
    talk[1].say(FrameType.STARTED)
    talk[1].say(FrameType.DATA, b"before", agent.STDOUT)
    *_, result = await asyncio.wait_for(task, 2)
    assert (result.cause, result.cpu_seconds, result.stdout_total) == (Cause.WALL, None, 6)


async def test_an_agent_that_never_starts_the_command_is_an_error_of_the_start(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "GRACE_SECONDS", 0.1)
    with pytest.raises(SandboxStartError):
        await asyncio.wait_for(run(talk, a_command(wall_seconds=0.1)), 2)


@pytest.mark.parametrize("started", [True, False])
async def test_an_agent_that_dies_of_memory_is_the_programs_fault(
    started: bool, talk: Talk
) -> None:
    task = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    if started:
        talk[1].say(FrameType.STARTED)
    die(talk, out_of_memory=True)
    result = (await task)[-1]
    assert (result.cause, result.signal, result.oom_kills) == (Cause.SIGNALED, 9, 1)


@pytest.mark.parametrize(("started", "error"), [(True, SandboxError), (False, SandboxStartError)])
async def test_an_agent_that_dies_for_no_reason_is_nobodys_fault(
    started: bool, error: type[SandboxError], talk: Talk
) -> None:
    task = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    if started:
        talk[1].say(FrameType.STARTED)
    die(talk, out_of_memory=False)
    with pytest.raises(SandboxError) as caught:
        await task
    assert caught.type is error


def die(talk: Talk, *, out_of_memory: bool) -> None:
    """The container ends, and the engine says so."""
    talk[0].fate.out_of_memory = out_of_memory
    talk[0].fate.died.set()
    talk[1].end()


@pytest.mark.parametrize("out_of_memory", [True, False])
async def test_a_stream_that_takes_no_more_is_explained_by_its_end(
    out_of_memory: bool, talk: Talk
) -> None:
    talk[1].broken = True
    die(talk, out_of_memory=out_of_memory)
    if out_of_memory:
        assert (await run(talk, a_command()))[-1].oom_kills == 1
    else:
        with pytest.raises(SandboxStartError):
            await run(talk, a_command())


async def test_a_result_that_came_before_the_stream_broke_counts(talk: Talk) -> None:
    task = run(talk, a_command())
    await talk[1].until(FrameType.RUN)
    talk[1].broken = True
    await talk[0].kill()
    talk[1].say(FrameType.RESULT, result_payload(cause=4, exit_code=137))
    talk[1].end()
    assert (await task)[-1].cause is Cause.OUTPUT


async def test_a_closed_stream_shows(talk: Talk) -> None:
    assert talk[0].alive
    talk[1].end()
    await asyncio.sleep(0.01)
    assert not talk[0].alive


@given(st.lists(st.binary(min_size=1, max_size=120), max_size=6))
@settings(max_examples=100, deadline=None)
def test_whatever_an_agent_says_it_ends(pieces: list[bytes]) -> None:
    """With a result or an error of the sandbox, never with another error and never not at all."""
    asyncio.run(_listen(pieces))


async def _listen(pieces: list[bytes]) -> None:
    stream, fate = FakeStream(), Fate()
    fate.died.set()
    one = Sandbox(a_spec(), "container", stream, fate)  # type: ignore[arg-type]
    task = run((one, stream), a_command(collect=("out",), collect_cap=100))
    await stream.until(FrameType.RUN)
    identity = stream.sent[0].execution_id
    for piece in pieces:
        head = bytes([1, piece[0] % 0x20, piece[-1] % 4, 0]) + struct.pack("<I", len(piece) - 1)
        stream.say_raw(head + identity + piece[1:])
    stream.end()
    try:
        assert isinstance((await asyncio.wait_for(task, 5))[-1], CommandResult)
    except SandboxError:
        assert task.done()
    await one.close()
