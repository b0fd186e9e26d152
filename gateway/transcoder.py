"""A REST request becomes the request message of its call."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest

from gateway import parameters
from gateway.errors import HttpError, http_error, invalid_fields
from gateway.json_decoder import decode, decode_field
from gateway.json_text import JsonSyntaxError, JsonValue, parse_json
from gateway.rules import Binding, Route
from gateway.scalars import shown


def request_message(route: Route, query: str, body: bytes) -> Message:
    """Build the request message from body, path and query.

    Args:
        route: the binding that matched, with the values of its path.
        query: the query string as sent, without ``?``.
        body: the whole body; empty where the binding takes none.

    Raises:
        HttpError: 400 that says which field or which place in the text is wrong.
    """
    binding = route.binding
    message = binding.request_class()
    if binding.takes_body:
        _read_body(binding, body, message)
    parameters.bind(message, {key: [text] for key, text in route.path_values.items()})
    _bind_query(binding, message, query)
    return message


def _read_body(binding: Binding, body: bytes, message: Message) -> None:
    value = _parse(body)
    if binding.body_field is None:
        decode(value, message)
    else:
        decode_field(value, message, binding.body_field)


def _bind_query(binding: Binding, message: Message, query: str) -> None:
    values = parameters.parse_query(query)
    if binding.whole_body and values:
        raise _no_query(values)
    if binding.body_field is not None:
        own = {binding.body_field.name, binding.body_field.json_name}
        in_body = [key for key in values if key.split(".")[0] in own]
        if in_body:
            raise _no_query(in_body)
    parameters.bind(message, values)


def _no_query(keys: Iterable[str]) -> HttpError:
    return invalid_fields(
        BadRequest.FieldViolation(
            field=shown(key),
            reason="UNKNOWN_FIELD",
            description="not taken from the query string; send it in the body",
        )
        for key in keys
    )


def _parse(body: bytes) -> JsonValue:
    try:
        return parse_json(body)
    except JsonSyntaxError as error:
        raise http_error(code_pb2.INVALID_ARGUMENT, "MALFORMED_JSON", str(error)) from error
