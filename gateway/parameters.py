"""Values from the path and the query string, put into the fields of a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest

from gateway.descriptors import descriptor_of, fields_by_json_name, is_well_known, map_entry
from gateway.errors import http_error, invalid_fields
from gateway.json_decoder import decode_well_known
from gateway.scalars import FieldError, decode_text, shown

MAX_PARAMETERS = 1024


def resolve(descriptor: Descriptor, field_path: str) -> tuple[FieldDescriptor, ...] | None:
    """Follow a dotted path, in either spelling, to a field that one text can set.

    Returns:
        The fields along the path, or None where it names no such field: only the last may be
        repeated, and none may be a map; messages but the well-known ones have no text form.
    """
    fields: list[FieldDescriptor] = []
    inside: Descriptor | None = descriptor
    for name in field_path.split("."):
        field = fields_by_json_name(inside).get(name) if inside is not None else None
        if field is None or (fields and fields[-1].is_repeated) or map_entry(field) is not None:
            return None
        fields.append(field)
        inside = field.message_type
    return tuple(fields) if inside is None or is_well_known(inside) else None


def parse_query(query: str) -> dict[str, list[str]]:
    """Split a raw query string into values by key, in their order.

    Raises:
        HttpError: 400 for an escape that is not UTF-8, or too many parameters.
    """
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise http_error(
            code_pb2.INVALID_ARGUMENT,
            "MALFORMED_QUERY",
            f"the query string must be percent-encoded UTF-8 with at most {MAX_PARAMETERS} "
            f"parameters ({error})",
        ) from error
    values: dict[str, list[str]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    return values


def bind(message: Message, parameters: Mapping[str, Sequence[str]]) -> None:
    """Set fields by dotted path; a repeated field takes all values of its key.

    Raises:
        HttpError: 400 with a violation for each parameter that cannot be taken.
    """
    violations = []
    for key, texts in parameters.items():
        try:
            _bind_one(message, key, texts)
        except FieldError as error:
            violations.append(
                BadRequest.FieldViolation(
                    field=shown(key), reason=error.reason, description=str(error)
                )
            )
    if violations:
        raise invalid_fields(violations)


def _bind_one(message: Message, key: str, texts: Sequence[str]) -> None:
    fields = resolve(descriptor_of(message), key)
    if fields is None:
        raise FieldError("UNKNOWN_FIELD", f"{message.DESCRIPTOR.name} takes no such parameter")
    *parents, field = fields
    for parent in parents:
        message = getattr(message, parent.name)
    if not field.is_repeated and (len(texts) > 1 or _is_set(message, field)):
        raise FieldError("DUPLICATE_FIELD", "given twice; give it once, in one spelling")
    if field.is_repeated and _is_set(message, field):
        raise FieldError("DUPLICATE_FIELD", "given in two spellings; use one")
    for text in texts:
        _set(message, field, text)


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    other = message.WhichOneof(oneof.name) if oneof is not None else None
    if other is not None and other != field.name:
        raise FieldError("CONFLICT", f"{other} is given too; give at most one of the two")
    return any(present.number == field.number for present, _ in message.ListFields())


def _set(message: Message, field: FieldDescriptor, text: str) -> None:
    if field.message_type is not None:
        child = getattr(message, field.name)
        decode_well_known(text, child.add() if field.is_repeated else child)
    elif field.is_repeated:
        getattr(message, field.name).append(decode_text(field, text))
    else:
        setattr(message, field.name, decode_text(field, text))
