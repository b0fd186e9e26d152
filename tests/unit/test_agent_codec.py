"""The server's codec of the agent's protocol: against a second reading of it, and against anything."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from executor_server import agent
from executor_server.agent import Frame, FrameReader, FrameType, ProtocolError
from executor_server.model import InputFile
from tests.agent import wire
from tests.unit.values import a_command

ID = bytes(range(16))
frames = st.builds(
    Frame,
    st.sampled_from(FrameType),
    st.integers(0, 3),
    st.binary(min_size=16, max_size=16),
    st.binary(max_size=300),
)
text = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)


def encoded(frame: Frame) -> bytes:
    return agent.frame(frame.type, frame.execution_id, frame.payload, frame.stream)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Pieces of data, as a network would bring them."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@given(st.lists(frames, max_size=8), st.lists(st.integers(0, 10_000), max_size=20))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    sent: list[Frame], places: list[int]
) -> None:
    reader = FrameReader()
    received = [
        frame for piece in cut(b"".join(map(encoded, sent)), places) for frame in reader.feed(piece)
    ]
    assert received == sent
    assert reader.at_boundary


@given(frames)
def test_a_frame_is_what_the_description_says(frame: Frame) -> None:
    read = wire.take(bytearray(encoded(frame)))
    assert read == wire.Frame(frame.type, frame.stream, 0, frame.execution_id, frame.payload)


@given(st.lists(st.binary(max_size=200), max_size=20))
@settings(max_examples=500)
def test_anything_is_frames_or_an_error(pieces: list[bytes]) -> None:
    reader = FrameReader()
    with contextlib.suppress(ProtocolError):
        for piece in pieces:
            for frame in reader.feed(piece):
                assert len(frame.payload) <= agent.MAX_PAYLOAD


@given(st.lists(frames, min_size=1, max_size=4), st.integers(0), st.integers(1, 255))
@settings(max_examples=500)
def test_a_damaged_stream_is_frames_or_an_error(sent: list[Frame], place: int, damage: int) -> None:
    data = bytearray(b"".join(map(encoded, sent)))
    data[place % len(data)] ^= damage
    with contextlib.suppress(ProtocolError):
        assert sum(len(frame.payload) for frame in FrameReader().feed(bytes(data))) <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        wire.frame(wire.RESULT, version=2),
        wire.frame(wire.RESULT, version=0),
        wire.frame(0x7F),
        wire.frame(wire.DATA, stream=4),
        wire.frame(wire.DATA, length=agent.MAX_PAYLOAD + 1),
        wire.frame(wire.DATA, length=0xFFFF_FFFF),
    ],
)
def test_a_bad_header_is_refused_before_its_payload_comes(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(FrameReader().feed(data[: wire.HEADER.size]))


def test_a_frame_before_a_bad_one_is_still_read() -> None:
    reader = FrameReader()
    taken: list[Frame] = []
    with pytest.raises(ProtocolError):
        taken.extend(reader.feed(wire.frame(wire.STARTED) + wire.frame(0x7F)))
    assert [frame.type for frame in taken] == [FrameType.STARTED]


def test_an_unknown_frame_that_is_optional_is_skipped() -> None:
    data = wire.frame(0x7F, b"news", flags=wire.OPTIONAL) + wire.frame(wire.STARTED)
    assert [frame.type for frame in FrameReader().feed(data)] == [FrameType.STARTED]


def test_no_more_than_one_frame_is_held() -> None:
    reader = FrameReader()
    largest = wire.frame(wire.DATA, bytes(agent.MAX_PAYLOAD), stream=1)
    for _ in range(10):
        list(reader.feed(largest[:-1]))
        assert not reader.at_boundary
        assert len(list(reader.feed(largest[-1:]))) == 1
        assert reader.at_boundary


@given(
    st.lists(text, min_size=1, max_size=5),
    st.dictionaries(text.filter(lambda name: name and "=" not in name), text, max_size=5),
    st.lists(text, max_size=3),
    st.floats(0.000001, 120),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_run_is_what_the_description_says(
    argv: list[str], env: dict[str, str], collect: list[str], wall: float, cap: int, kills: bool
) -> None:
    command = a_command(
        argv=tuple(argv),
        env=env,
        collect=tuple(collect),
        wall_seconds=wall,
        cpu_seconds=wall / 2,
        output_cap=cap,
        collect_cap=cap + 1,
        kill_on_overflow=kills,
    )
    expected = wire.Command(
        argv=argv,
        env=[f"{name}={value}" for name, value in env.items()],
        collect=collect,
        wall_us=round(wall * 1e6),
        cpu_us=round(wall / 2 * 1e6),
        stdout_cap=cap,
        stderr_cap=cap,
        collect_cap=cap + 1,
        stdout_credit=77,
        stderr_credit=77,
        files_credit=77,
        kill_on_overflow=kills,
    )
    (frame,) = FrameReader().feed(agent.run_frame(ID, command, 77))
    assert (frame.type, frame.execution_id) == (FrameType.RUN, ID)
    assert frame.payload == expected.payload()


@given(st.binary(max_size=200_000), st.booleans())
@example(bytes(65_536), True)
@example(bytes(65_537), False)
@settings(max_examples=25)
def test_a_file_is_its_head_and_its_data(content: bytes, executable: bool) -> None:
    file = InputFile("ä/b", content, executable)
    head, *data = FrameReader().feed(b"".join(agent.file_frames(ID, file)))
    assert head.payload == wire.file_payload("ä/b".encode(), len(content), int(executable))
    assert [frame.payload for frame in data] == wire.chunks(content)
    assert {(frame.type, frame.stream) for frame in data} <= {(FrameType.DATA, wire.FILES)}


@given(
    st.sampled_from(range(6)), st.sampled_from((1, 2, 3)), st.integers(0, 7), st.integers(0, 2**40)
)
def test_a_result_means_what_the_description_says(
    cause: int, measured_by: int, known: int, number: int
) -> None:
    payload = struct.pack(
        "<BBBBiiIQQQQQQ", cause, measured_by, known, 0, -7, 9, 3, *range(number, number + 6)
    )
    sent, read = wire.result(payload), agent.parse_result(payload)
    assert (read.cause, read.exit_code, read.signal) == (sent.cause, sent.exit_code, sent.signal)
    assert read.wall_seconds == pytest.approx(sent.wall_us / 1e6)
    assert read.collect_seconds == pytest.approx(sent.collect_us / 1e6)
    assert (read.stdout_total, read.stderr_total) == (sent.stdout_total, sent.stderr_total)
    unknown = (
        read.cpu_seconds is None,
        read.memory_peak_bytes is None,
        read.oom_kills is None,
    )
    masks = (wire.KNOWS_CPU, wire.KNOWS_MEMORY, wire.KNOWS_OOM_KILLS)
    assert unknown == tuple(not known & mask for mask in masks)


PARSERS = (
    agent.parse_hello,
    agent.parse_result,
    agent.parse_fault,
    agent.parse_file,
    agent.parse_credit,
)


@pytest.mark.parametrize("parse", PARSERS)
@given(payload=st.binary(max_size=120))
@settings(max_examples=300)
def test_any_payload_is_a_value_or_an_error(
    parse: Callable[[bytes], object], payload: bytes
) -> None:
    with contextlib.suppress(ProtocolError):
        parse(payload)


@pytest.mark.parametrize(
    ("parse", "payload"),
    [
        (agent.parse_result, struct.pack("<BBBBiiIQQQQQQ", 6, 1, 0, 0, 0, 0, 0, *[0] * 6)),
        (agent.parse_result, struct.pack("<BBBBiiIQQQQQQ", 0, 9, 0, 0, 0, 0, 0, *[0] * 6)),
        (agent.parse_result, b"\0" * 10),
        (agent.parse_fault, struct.pack("<HI", 99, 0)),
        (agent.parse_file, struct.pack("<BBQ", 9, 0, 0)),
        (agent.parse_hello, struct.pack("<BBBBIQI", 1, 2, 3, 0, 5, 0, 4) + b"abc"),
        (agent.parse_credit, b"\0\0\0"),
    ],
)
def test_what_means_nothing_is_an_error(parse: Callable[[bytes], object], payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(payload)
