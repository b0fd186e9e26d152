"""Message to JSON, by the proto3 JSON mapping.

The same values as ``google.protobuf.json_format`` gives, with the fields in the order of the proto:
that writes zero values after all others, so that a field would move about from answer to answer.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.descriptors import descriptor_of, is_well_known, map_entry
from gateway.scalars import integer_range


def encode(message: Message, response_body: str = "") -> bytes:
    """Encode: names as in the proto, zero values printed, enums by name, int64 as strings.

    Args:
        message: what to encode.
        response_body: name of the one field to encode instead (``HttpRule.response_body``).
    """
    value = _message(message)
    return orjson.dumps(value.get(response_body) if response_body else value)


def _message(message: Message) -> Any:
    descriptor = descriptor_of(message)
    if is_well_known(descriptor):
        return json_format.MessageToDict(message)
    return {
        field.name: _field(getattr(message, field.name), field)
        for field in descriptor.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _field(value: Any, field: FieldDescriptor) -> Any:
    entry = map_entry(field)
    if entry is not None:
        write = _writer(entry.value)
        return {_key(key): write(value[key]) for key in value}
    if field.is_repeated:
        return list(map(_writer(field), value))
    return _writer(field)(value)


def _writer(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.message_type is not None:
        return _message
    if field.enum_type is not None:
        names = field.enum_type.values_by_number
        # an open enum holds numbers that have no name yet
        return lambda number: names[number].name if number in names else number
    bounds = integer_range(field)
    if bounds is not None:
        return str if bounds[1] >= 2**32 else int
    return _WRITERS.get(field.type, _unchanged)


def _key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _bytes(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _float(value: float) -> float | str:
    """Write the fewest digits that give the same 32 bits, not those of the double that holds them."""
    if not math.isfinite(value):
        return _double(value)
    candidates = (float(f"{value:.{digits}g}") for digits in range(6, 9))
    return next((c for c in candidates if _to_32_bits(c) == value), float(f"{value:.9g}"))


def _to_32_bits(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _unchanged(value: Any) -> Any:
    return value


_WRITERS: dict[int, Callable[[Any], Any]] = {
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_FLOAT: _float,
}
