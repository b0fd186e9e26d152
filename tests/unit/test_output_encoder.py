"""Output as the caller asked for it: whole characters, a limit that counts what is returned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from executor_server.model import Encoding
from executor_server.output import OutputEncoder

pieces = st.lists(
    st.one_of(st.binary(max_size=30), st.text(max_size=10).map(str.encode)), max_size=12
)


def encode(
    parts: list[bytes], limit: int, encoding: Encoding, lost: int = 0
) -> tuple[list[bytes], bool]:
    """What comes out, and whether something did not fit; ``lost`` bytes were never sent on."""
    encoder = OutputEncoder(encoding, limit)
    out = [encoder.feed(part) for part in parts]
    out.append(encoder.finish(sum(map(len, parts)) + lost))
    return out, encoder.full


@given(pieces)
def test_text_is_what_decoding_it_at_once_would_give(parts: list[bytes]) -> None:
    out, full = encode(parts, 10_000, Encoding.TEXT)
    assert b"".join(out).decode() == b"".join(parts).decode("utf-8", "replace")
    assert not full


@given(pieces)
def test_every_chunk_of_text_is_whole(parts: list[bytes]) -> None:
    for chunk in encode(parts, 10_000, Encoding.TEXT)[0]:
        chunk.decode()


@given(pieces, st.integers(1, 60))
def test_the_limit_is_that_of_the_text_that_is_returned(parts: list[bytes], limit: int) -> None:
    out, full = encode(parts, limit, Encoding.TEXT)
    got, whole = b"".join(out), b"".join(parts).decode("utf-8", "replace")
    assert len(got) <= limit
    assert full == (len(whole.encode()) > limit)
    if full:
        assert whole.startswith(got.decode())
        assert limit - len(got) < 4, "as much as fits, to the last character"


@given(pieces, st.integers(1, 60))
def test_bytes_are_the_bytes(parts: list[bytes], limit: int) -> None:
    out, full = encode(parts, limit, Encoding.BYTES)
    whole = b"".join(parts)
    assert b"".join(out) == whole[:limit]
    assert full == (len(whole) > limit)


@given(pieces, st.integers(1, 5))
def test_what_was_never_sent_on_is_missing(parts: list[bytes], lost: int) -> None:
    for encoding in Encoding:
        assert encode(parts, 10_000, encoding, lost)[1]


def test_a_character_that_the_agent_has_cut_is_dropped() -> None:
    out, full = encode(["ab€".encode()[:-1]], 5, Encoding.TEXT, lost=1)
    assert (b"".join(out), full) == (b"ab", True)


def test_a_character_that_the_program_has_not_finished_is_replaced() -> None:
    out, full = encode([b"ab\xe2\x82"], 5, Encoding.TEXT)
    assert (b"".join(out).decode(), full) == ("ab\ufffd", False)
