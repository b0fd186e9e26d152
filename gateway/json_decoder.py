"""JSON to message, by the proto3 JSON mapping, strictly.

Stricter than ``google.protobuf.json_format`` where that guesses: a key that comes twice, base64
with stray characters, numbers in strings with spaces or underscores, an enum's number in a string.
And every error names its field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest

from gateway.descriptors import (
    MapEntry,
    descriptor_of,
    fields_by_json_name,
    is_well_known,
    map_entry,
)
from gateway.errors import http_error, invalid_fields
from gateway.json_text import JsonNumber, JsonObject, JsonValue
from gateway.scalars import FieldError, decode_scalar, decode_text, kind_of, shown

MAX_VIOLATIONS = 16

_NULLABLE = frozenset({"google.protobuf.Value", "google.protobuf.NullValue"})


def decode(value: JsonValue, message: Message) -> None:
    """Merge a JSON object into a message.

    Raises:
        HttpError: 400 with a violation for each field that cannot be taken.
    """
    if not isinstance(value, JsonObject) and not is_well_known(descriptor_of(message)):
        raise http_error(
            code_pb2.INVALID_ARGUMENT,
            "MALFORMED_JSON",
            f"expected a JSON object, got {kind_of(value)}",
        )
    decoder = _Decoder()
    decoder.message(value, message, "")
    decoder.finish()


def decode_field(value: JsonValue, message: Message, field: FieldDescriptor) -> None:
    """Merge a JSON value into one field (``HttpRule.body`` that is not ``*``).

    Raises:
        HttpError: as ``decode``.
    """
    decoder = _Decoder()
    decoder.field(value, message, field, field.name)
    decoder.finish()


def decode_well_known(value: JsonValue, message: Message) -> None:
    """Leave the types that have a JSON form of their own to protobuf.

    Raises:
        FieldError: it is not that form.
    """
    try:
        json_format.ParseDict(_plain(value), message)
    except FieldError:
        raise
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        # ParseDict lets the others through where a value has a type that it does not expect
        raise FieldError(
            "WRONG_TYPE", f"not a {message.DESCRIPTOR.name} in its JSON form: {shown(str(error))}"
        ) from error


class _Decoder:
    """One decoding: goes on after a bad field, so that several of them are named at once."""

    def __init__(self) -> None:
        self._violations: list[BadRequest.FieldViolation] = []

    def finish(self) -> None:
        if self._violations:
            raise invalid_fields(self._violations)

    def message(self, value: JsonValue, message: Message, path: str) -> None:
        if is_well_known(descriptor_of(message)):
            self._well_known(value, message, path)
        elif not isinstance(value, JsonObject):
            self._fail(path, "WRONG_TYPE", f"expected an object, got {kind_of(value)}")
        else:
            self._members(value, message, path)

    def field(self, value: JsonValue, message: Message, field: FieldDescriptor, path: str) -> None:
        if value is None and not _takes_null(field):
            return  # null means the default
        entry = map_entry(field)
        if entry is not None:
            self._map(value, getattr(message, field.name), entry, path)
        elif field.is_repeated:
            self._repeated(value, message, field, path)
        elif field.message_type is not None:
            child = getattr(message, field.name)
            child.SetInParent()
            self.message(value, child, path)
        else:
            self._scalar(value, field, path, lambda decoded: setattr(message, field.name, decoded))

    def _members(self, value: JsonObject, message: Message, path: str) -> None:
        known = fields_by_json_name(descriptor_of(message))
        seen: set[str] = set()
        for key, member in value.members:
            field = known.get(key)
            if field is None:
                where = f"{path}.{shown(key)}" if path else shown(key)
                self._fail(where, "UNKNOWN_FIELD", f"{message.DESCRIPTOR.name} has no such field")
                continue
            where = f"{path}.{field.name}" if path else field.name
            if field.name in seen:
                self._fail(where, "DUPLICATE_FIELD", "given twice; give it once, in one spelling")
                continue
            seen.add(field.name)
            if member is None or self._oneof_is_free(message, field, where):
                self.field(member, message, field, where)

    def _oneof_is_free(self, message: Message, field: FieldDescriptor, path: str) -> bool:
        oneof = field.containing_oneof
        other = message.WhichOneof(oneof.name) if oneof is not None else None
        if other is None:
            return True
        self._fail(path, "CONFLICT", f"{other} is given too; give at most one of the two")
        return False

    def _map(self, value: JsonValue, target: Any, entry: MapEntry, path: str) -> None:
        if not isinstance(value, JsonObject):
            self._fail(path, "WRONG_TYPE", f"expected an object, got {kind_of(value)}")
            return
        for key, member in value.members:
            where = f'{path}["{shown(key)}"]'
            try:
                decoded_key = decode_text(entry.key, key)
            except FieldError as error:
                self._fail(where, error.reason, f"as a key: {error}")
            else:
                self._entry(decoded_key, member, target, entry.value, where)

    def _entry(
        self, key: Any, value: JsonValue, target: Any, field: FieldDescriptor, path: str
    ) -> None:
        if key in target:
            self._fail(path, "DUPLICATE_FIELD", "this key is given twice; give it once")
        elif field.message_type is not None:
            self.message(value, target[key], path)
        else:
            self._scalar(value, field, path, lambda decoded: target.__setitem__(key, decoded))

    def _repeated(
        self, value: JsonValue, message: Message, field: FieldDescriptor, path: str
    ) -> None:
        if not isinstance(value, list):
            self._fail(path, "WRONG_TYPE", f"expected an array, got {kind_of(value)}")
            return
        target = getattr(message, field.name)
        for i, element in enumerate(value):
            where = f"{path}[{i}]"
            if field.message_type is not None:
                self.message(element, target.add(), where)
            else:
                self._scalar(element, field, where, target.append)

    def _scalar(
        self, value: JsonValue, field: FieldDescriptor, path: str, put: Callable[[Any], None]
    ) -> None:
        try:
            decoded = decode_scalar(field, value)
        except FieldError as error:
            self._fail(path, error.reason, str(error))
        else:
            put(decoded)

    def _well_known(self, value: JsonValue, message: Message, path: str) -> None:
        try:
            decode_well_known(value, message)
        except FieldError as error:
            self._fail(path, error.reason, str(error))

    def _fail(self, path: str, reason: str, description: str) -> None:
        self._violations.append(
            BadRequest.FieldViolation(field=path, reason=reason, description=description)
        )
        if len(self._violations) == MAX_VIOLATIONS:
            self.finish()  # the rest of a text that is refused anyway is not worth reading


def _takes_null(field: FieldDescriptor) -> bool:
    if field.is_repeated:
        return False
    kind = field.message_type or field.enum_type
    return kind is not None and kind.full_name in _NULLABLE


def _plain(value: JsonValue) -> Any:
    if isinstance(value, JsonObject):
        plain = {key: _plain(member) for key, member in value.members}
        if len(plain) != len(value.members):
            raise FieldError("DUPLICATE_FIELD", "an object in it has a key twice")
        return plain
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, JsonNumber):
        return float(value.text)
    return value
