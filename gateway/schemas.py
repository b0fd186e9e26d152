"""JSON schemas (2020-12) of messages, as the JSON codec reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from google.rpc import code_pb2, error_details_pb2

from gateway.descriptors import is_well_known, map_entry
from gateway.scalars import integer_range

Schema: TypeAlias = dict[str, Any]

ERROR_NAME = "Error"

_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_FLOAT = rf"{_NUMBER}|^(NaN|-?Infinity)$"
_INTEGER = r"^-?(0|[1-9][0-9]*)$"
_NULL: Schema = {"type": "null"}

# https://protobuf.dev/programming-guides/json/
_WELL_KNOWN: Mapping[str, Schema] = {
    "Timestamp": {"type": "string", "format": "date-time"},
    "Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "FieldMask": {"type": "string"},
    "Struct": {"type": "object"},
    "ListValue": {"type": "array"},
    "Empty": {"type": "object"},
    "Any": {"type": "object"},
    "Value": {},
}

_ERROR_DETAILS = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.RetryInfo,
    error_details_pb2.QuotaFailure,
)


class Role(Enum):
    """Where a message stands: a request may say less, and in more ways, than a response does."""

    REQUEST = "Request"
    RESPONSE = "Response"
    ERROR_DETAIL = "Detail"


class SchemaBook:
    """Collects the schemas of messages and of what they hold, each once for each role."""

    def __init__(self, comments: Mapping[str, str], package: str) -> None:
        """Take comments by full name; names of schemas are those within ``package``."""
        self._comments = comments
        self._package = package
        self._owners: dict[str, Role] = {}
        self.schemas: dict[str, Schema] = {}
        """By name, for ``components``."""

    def message(self, message: Descriptor, role: Role) -> Schema:
        """Return a reference to a message's schema, or the schema itself of a well-known type."""
        if is_well_known(message):
            wrapped = message.fields_by_name.get("value")
            known = _WELL_KNOWN.get(message.name)
            return self.value(wrapped, role) if known is None and wrapped else dict(known or {})
        name = self._name(message.full_name, role)
        if name not in self.schemas:
            self.schemas[name] = {}  # a message may hold itself
            self.schemas[name] = self._object(message, role)
        return _reference(name)

    def field(self, field: FieldDescriptor, role: Role) -> Schema:
        """Return the schema of a field: a map, an array or one value, described by its comment."""
        entry = map_entry(field)
        if entry is not None:
            values = self.value(entry.value, role)
            schema: Schema = {"type": "object", "additionalProperties": values}
        elif field.is_repeated:
            schema = {"type": "array", "items": self.value(field, role)}
        else:
            schema = self.value(field, role)
        if role is Role.REQUEST:
            schema = _or_null(schema)
        return self._described(schema, field.full_name)

    def value(self, field: FieldDescriptor, role: Role) -> Schema:
        """Return the schema of one value of a field."""
        if field.message_type is not None:
            return self.message(field.message_type, role)
        if field.enum_type is not None:
            return self._enum(field.enum_type, role)
        return _request_scalar(field) if role is Role.REQUEST else _response_scalar(field)

    def error(self) -> Schema:
        """Return a reference to the schema of the one error shape."""
        details: list[Schema] = [self._any_of(kind.DESCRIPTOR) for kind in _ERROR_DETAILS]
        # a newer server may send another kind of detail
        details.append({"type": "object", "required": ["@type"]})
        error = {
            "code": {"type": "integer", "description": "The HTTP status."},
            "status": {"type": "string", "enum": sorted(code_pb2.Code.keys())},
            "message": {"type": "string"},
            "details": {"type": "array", "items": {"anyOf": details}},
        }
        inner = {"type": "object", "properties": error, "required": list(error)}
        self.schemas[ERROR_NAME] = {
            "type": "object",
            "properties": {"error": inner},
            "required": ["error"],
            "description": "What every answer is that is no 2xx (google.aip.dev/193).",
        }
        return _reference(ERROR_NAME)

    def _any_of(self, kind: Descriptor) -> Schema:
        of_type = {"@type": {"const": f"type.googleapis.com/{kind.full_name}"}}
        return {
            "allOf": [
                {"type": "object", "properties": of_type, "required": ["@type"]},
                self.message(kind, Role.ERROR_DETAIL),
            ]
        }

    def _object(self, message: Descriptor, role: Role) -> Schema:
        properties = {_key(field, role): self.field(field, role) for field in message.fields}
        schema: Schema = {"type": "object", "properties": properties}
        if role is Role.REQUEST:
            schema["additionalProperties"] = False
            at_most_one = [_at_most_one(oneof) for oneof in message.oneofs if len(oneof.fields) > 1]
            if at_most_one:
                schema["allOf"] = at_most_one
        if role is Role.RESPONSE:
            # zero values are printed, so only what has presence can be absent
            schema["required"] = [f.name for f in message.fields if not f.has_presence]
        return self._described(schema, message.full_name)

    def _enum(self, enum: EnumDescriptor, role: Role) -> Schema:
        name = enum.full_name.removeprefix(self._package + ".")
        if name not in self.schemas:
            values = [value.name for value in enum.values]
            schema = self._described({"type": "string", "enum": values}, enum.full_name)
            said = {value: self._comments.get(f"{enum.full_name}.{value}") for value in values}
            lines = [f"- `{value}`: {text}" for value, text in said.items() if text]
            schema["description"] = "\n".join([schema.get("description", ""), *lines]).strip()
            self.schemas[name] = schema
        if role is not Role.REQUEST:
            return _reference(name)
        by_number = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
        return {"anyOf": [_reference(name), by_number]}

    def _described(self, schema: Schema, full_name: str) -> Schema:
        comment = self._comments.get(full_name)
        return {**schema, "description": comment} if comment else schema

    def _name(self, full_name: str, role: Role) -> str:
        name = full_name.removeprefix(self._package + ".")
        owner = self._owners.setdefault(name, role)
        return name if owner is role else f"{name}.{role.value}"


def _key(field: FieldDescriptor, role: Role) -> str:
    return str(field.json_name if role is Role.ERROR_DETAIL else field.name)


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    """Null is the default of any field of a request."""
    kind = schema.get("type")
    if kind is None:
        alternatives = schema.get("anyOf", [schema])
        return {"anyOf": [*alternatives, _NULL]} if schema else schema
    return {**schema, "type": [*([kind] if isinstance(kind, str) else kind), "null"]}


def _at_most_one(oneof: OneofDescriptor) -> Schema:
    given = [{"required": [f.name], "properties": {f.name: {"not": _NULL}}} for f in oneof.fields]
    return {"anyOf": [{"not": {"anyOf": given}}, {"oneOf": given}]}


def _response_scalar(field: FieldDescriptor) -> Schema:
    """A double is a number here: "NaN" and its like are possible in the mapping, but no answer."""
    bounds = integer_range(field)
    if bounds is not None:
        wide = bounds[1] >= 2**32
        return {
            "type": "string" if wide else "integer",
            "format": "int64" if wide else "int32",
            **({"pattern": _INTEGER} if wide else {"minimum": bounds[0], "maximum": bounds[1]}),
        }
    return dict(_SCALARS[field.type])


def _request_scalar(field: FieldDescriptor) -> Schema:
    """The proto3 JSON mapping takes numbers in strings too, and a schema must not deny it."""
    bounds = integer_range(field)
    if bounds is not None:
        return {
            "type": ["integer", "string"],
            "format": "int64" if bounds[1] >= 2**32 else "int32",
            "minimum": bounds[0],
            "maximum": bounds[1],
            "pattern": _INTEGER,
        }
    schema = dict(_SCALARS[field.type])
    if schema["type"] == "number":
        return {**schema, "type": ["number", "string"], "pattern": _FLOAT}
    return schema


_SCALARS: Mapping[int, Schema] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {
        "type": "string",
        "contentEncoding": "base64",
        "pattern": r"^[A-Za-z0-9+/_-]*={0,2}$",
    },
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
}
