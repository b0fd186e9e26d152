"""JSON text: what is refused, with the place, and what is kept for the decoder."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import json_text
from gateway.json_text import (
    MAX_DEPTH,
    MAX_TOKENS,
    JsonNumber,
    JsonObject,
    JsonSyntaxError,
    parse_json,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # a pair of surrogate escapes is one character, so only whole characters come back as they went
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def plain(value):
    if isinstance(value, JsonObject):
        return {key: plain(member) for key, member in value.members}
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, JsonNumber):
        return json.loads(value.text)
    return value


@given(json_values)
@settings(deadline=None)
def test_any_json_is_read(value):
    text = json.dumps(value)
    assert plain(parse_json(text.encode())) == json.loads(text)


@given(st.binary())
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(data):
    with suppress(JsonSyntaxError):  # any other exception is a crash
        parse_json(data)


def test_repeated_keys_and_exact_numbers_are_kept():
    value = parse_json(b'{"a": 1.0e2, "a": 12345678901234567890123}')
    assert value == JsonObject(
        [("a", JsonNumber("1.0e2")), ("a", JsonNumber("12345678901234567890123"))]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "the body is empty"),
        (b" \r\n\t ", "the body is empty"),
        (b'{"a": 1,\n  "b": }', "line 2, column 8"),
        (b'{"a": 1} x', "line 1, column 10"),
        (b'{"a": 01}', "line 1, column 8"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": "\n"}', "line 1, column 8"),
        (b'{"a": "', "line 1, column 7"),
        (b'{"a": NaN}', 'write "NaN" in quotes'),
        (b'{"a": -Infinity}', 'write "-Infinity" in quotes'),
        (b'{"a": "\xff"}', "byte 7 is not valid UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "byte 7 is not valid UTF-8"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
    ],
)
def test_the_error_says_where(text, said):
    with pytest.raises(JsonSyntaxError) as caught:
        parse_json(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
def test_depth_is_bounded(bracket):
    closing = b"]" if bracket == b"[" else b"}"
    parse_json(bracket * MAX_DEPTH + b"1" + closing * MAX_DEPTH)
    with pytest.raises(JsonSyntaxError, match="nested deeper"):
        parse_json(bracket * 1_000_000)


def test_the_number_of_tokens_is_bounded():
    parse_json(b"[" + b"1," * (MAX_TOKENS - 2) + b"1]")
    for text in (b"[" + b"1," * MAX_TOKENS + b"1]", b'"' * 3 * MAX_TOKENS):
        with pytest.raises(JsonSyntaxError, match="more than"):
            parse_json(text)


@given(st.text(alphabet='"\\\\[]{},:1a', max_size=40))
@settings(deadline=None)
def test_the_bounds_are_the_same_where_one_look_is_enough(text):
    """A text passes without the exact scan only if the exact scan would let it pass."""
    with pytest.MonkeyPatch.context() as small:
        small.setattr(json_text, "MAX_DEPTH", 3)
        small.setattr(json_text, "MAX_TOKENS", 8)
        if json_text._surely_within_bounds(text.encode()):
            json_text._check_bounds(text)


def test_brackets_and_commas_in_strings_are_no_structure():
    text = '[{,\\"' * 100_000
    assert parse_json(json.dumps({"code": text}).encode()) == JsonObject([("code", text)])


@pytest.mark.parametrize(
    "text", [b'{"a": "' + b'\\"' * 500_000, b'"' * 1_000_000, b'"\\' * 500_000]
)
def test_hostile_quotes_take_linear_time(text):
    start = time.process_time()
    with pytest.raises(JsonSyntaxError):
        parse_json(text)
    assert time.process_time() - start < 2  # quadratic would be minutes
