"""One scalar of the proto3 JSON mapping: from a JSON value to the value of a field."""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.json_text import JsonNumber, JsonObject, JsonValue

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
# The largest that is rounded to the largest float: protobuf writes that one in fewer digits, rounded up.
_FLOAT32_MAX = float.fromhex("0x1.fffffefffffffp+127")
_SHOWN = 64
_INTEGER_DIGITS = 20  # of the largest uint64
_NUMBER_CHARACTERS = 1024  # no double needs more than 767 digits to be told from its neighbours

_KINDS: Mapping[type, str] = {
    JsonObject: "an object",
    list: "an array",
    str: "a string",
    JsonNumber: "a number",
    bool: "a boolean",
    type(None): "null",
}

_INTEGER_BITS = {
    FieldDescriptor.TYPE_INT32: (32, True),
    FieldDescriptor.TYPE_SINT32: (32, True),
    FieldDescriptor.TYPE_SFIXED32: (32, True),
    FieldDescriptor.TYPE_UINT32: (32, False),
    FieldDescriptor.TYPE_FIXED32: (32, False),
    FieldDescriptor.TYPE_INT64: (64, True),
    FieldDescriptor.TYPE_SINT64: (64, True),
    FieldDescriptor.TYPE_SFIXED64: (64, True),
    FieldDescriptor.TYPE_UINT64: (64, False),
    FieldDescriptor.TYPE_FIXED64: (64, False),
}


class FieldError(ValueError):
    """A value that a field cannot take; the reason is a constant in UPPER_SNAKE_CASE."""

    def __init__(self, reason: str, description: str) -> None:
        """Take the reason for programs and the description for people."""
        super().__init__(description)
        self.reason = reason


def decode_scalar(field: FieldDescriptor, value: JsonValue) -> Any:
    """Turn a JSON value into what the field holds.

    Raises:
        FieldError: wrong type, out of range, not base64, not an enum value, a lone surrogate.
    """
    return _DECODERS[field.type](field, value)


def decode_text(field: FieldDescriptor, text: str) -> Any:
    """Turn a value from a path or a query string into what the field holds.

    Raises:
        FieldError: as ``decode_scalar``.
    """
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _bool(field, {"true": True, "false": False}.get(text, text))
    if field.enum_type is not None and _NUMBER.fullmatch(text):
        return _enum(field, JsonNumber(text))
    return decode_scalar(field, text)


def integer_range(field: FieldDescriptor) -> tuple[int, int] | None:
    """Least and greatest value of an integer field; None for any other field."""
    if field.type not in _INTEGER_BITS:
        return None
    bits, signed = _INTEGER_BITS[field.type]
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def kind_of(value: JsonValue) -> str:
    """Name the JSON type of a value, for messages."""
    return _KINDS[type(value)]


def shown(text: str) -> str:
    """Make a caller's text fit for a message: short, and encodable whatever it holds."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return short.encode("utf-8", "backslashreplace").decode("utf-8")


def _string(_field: FieldDescriptor, value: JsonValue) -> str:
    if not isinstance(value, str):
        raise _wrong_type("a string", value)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FieldError(
            "INVALID_UNICODE",
            f"character {error.start} is a surrogate without its other half; use a field of type "
            "bytes for what is not text",
        ) from error
    return value


def _bytes(_field: FieldDescriptor, value: JsonValue) -> bytes:
    if not isinstance(value, str):
        raise _wrong_type("a base64 string", value)
    try:
        text = value.encode("ascii").translate(_URL_SAFE)
        padding = b"" if b"=" in text else b"=" * (-len(text) % 4)
        return binascii.a2b_base64(text + padding, strict_mode=True)
    except ValueError as error:  # UnicodeEncodeError is one
        why = str(error).lower() if isinstance(error, binascii.Error) else "it is not ASCII"
        raise FieldError("INVALID_BASE64", f"not base64, standard or URL-safe ({why})") from error


def _bool(_field: FieldDescriptor, value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type("true or false", value)
    return value


def _enum(field: FieldDescriptor, value: JsonValue) -> int:
    enum = field.enum_type
    assert enum is not None
    names = ", ".join(enum.values_by_name)
    if isinstance(value, JsonNumber):
        number = _whole(_number_text(value) or "", -(2**31), 2**31 - 1)
        if enum.is_closed and number not in enum.values_by_number:
            raise FieldError("UNKNOWN_VALUE", f"{number} is not one of {names}")
        return number
    if not isinstance(value, str):
        raise _wrong_type("the name of an enum value", value)
    if value not in enum.values_by_name:
        raise FieldError("UNKNOWN_VALUE", f"{shown(value)} is not one of {names}")
    return enum.values_by_name[value].number


def _integer(field: FieldDescriptor, value: JsonValue) -> int:
    bounds = integer_range(field)
    text = _number_text(value)
    if bounds is None or text is None:
        raise _wrong_type("a whole number", value)
    return _whole(text, *bounds)


def _float(field: FieldDescriptor, value: JsonValue) -> float:
    if isinstance(value, str) and value in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[value]
    text = _number_text(value)
    if text is None:
        raise _wrong_type("a number", value)
    number = float(text)
    limit = _FLOAT32_MAX if field.type == FieldDescriptor.TYPE_FLOAT else math.inf
    if math.isinf(number) or abs(number) > limit:
        raise FieldError("OUT_OF_RANGE", f"{shown(text)} is too large for this field")
    return number


def _number_text(value: JsonValue) -> str | None:
    if isinstance(value, JsonNumber):
        if len(value.text) > _NUMBER_CHARACTERS:
            raise FieldError("OUT_OF_RANGE", f"expected at most {_NUMBER_CHARACTERS} digits")
        return value.text
    if isinstance(value, str) and len(value) <= _NUMBER_CHARACTERS and _NUMBER.fullmatch(value):
        return value
    return None


def _whole(text: str, least: int, greatest: int) -> int:
    """Read 1, 1.0 and 1e3 exactly; 1.5 is not whole, and an exponent is never expanded blindly."""
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent past what Decimal itself holds
        number = Decimal("Infinity")
    if number.is_finite() and number.adjusted() < _INTEGER_DIGITS:
        if number != number.to_integral_value():
            raise FieldError("WRONG_TYPE", f"expected a whole number, got {shown(text)}")
        if least <= number <= greatest:
            return int(number)
    raise FieldError("OUT_OF_RANGE", f"{shown(text)} is not between {least} and {greatest}")


def _wrong_type(expected: str, value: JsonValue) -> FieldError:
    got = f'the string "{shown(value)}"' if isinstance(value, str) else kind_of(value)
    return FieldError("WRONG_TYPE", f"expected {expected}, got {got}")


_DECODERS: Mapping[int, Callable[[FieldDescriptor, JsonValue], Any]] = {
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_ENUM: _enum,
    FieldDescriptor.TYPE_FLOAT: _float,
    FieldDescriptor.TYPE_DOUBLE: _float,
    **dict.fromkeys(_INTEGER_BITS, _integer),
}
