"""Reads JSON text without losing what the next step must see: repeated keys and exact numbers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TypeAlias

# No request comes near these; they bound the memory and the time that a hostile body can take.
MAX_DEPTH = 64
MAX_TOKENS = 262_144

_MARKS = b'"[]{},'
_NO_MARKS = bytes(set(range(256)) - set(_MARKS))
# A string never backtracks and may lack its end, so that the scan stays linear on any input.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number as it was written: no precision is lost, and 10**9999 costs nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class JsonObject:
    """The members of an object in their order, with keys that may repeat."""

    members: list[tuple[str, JsonValue]]


JsonValue: TypeAlias = JsonObject | list["JsonValue"] | str | JsonNumber | bool | None


class JsonSyntaxError(ValueError):
    """The text is not JSON, or goes past a bound; the message says where and why."""


def parse_json(data: bytes) -> JsonValue:
    """Parse one JSON text in UTF-8.

    Raises:
        JsonSyntaxError: not UTF-8, not JSON (with line and column), too deep or too many tokens.
    """
    text = _decode(data)
    if not _surely_within_bounds(data):
        _check_bounds(text)
    try:
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=JsonObject,
            parse_int=JsonNumber,
            parse_float=JsonNumber,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise JsonSyntaxError(
            f"malformed JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    return value


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonSyntaxError(
            f"byte {error.start} is not valid UTF-8; JSON is UTF-8, and other bytes go "
            "base64-encoded into a field of type bytes"
        ) from error
    if not text or text.isspace():
        raise JsonSyntaxError("the body is empty; expected a JSON object")
    return text


def _surely_within_bounds(data: bytes) -> bool:
    """Say whether the bounds hold even if no mark is inside a string: one pass tells for most texts."""
    marks = data.translate(None, _NO_MARKS)
    opened = marks.count(b"[") + marks.count(b"{")
    return opened <= MAX_DEPTH and len(marks) - marks.count(b'"') // 2 <= MAX_TOKENS


def _check_bounds(text: str) -> None:
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(text)):
        first = text[token.start()]
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            raise JsonSyntaxError(f"JSON is nested deeper than {MAX_DEPTH} levels")
        if count >= MAX_TOKENS:
            raise JsonSyntaxError(
                f"JSON holds more than {MAX_TOKENS} strings, brackets and commas together"
            )


def _refuse_constant(name: str) -> JsonValue:
    raise JsonSyntaxError(f'{name} is not a JSON number; write "{name}" in quotes')
