"""The OpenAPI 3.1 document, from descriptors, HTTP rules and the comments of the proto."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contract import Contract
from gateway.descriptors import is_well_known, map_entry
from gateway.parameters import resolve
from gateway.responses import JSON
from gateway.rules import Binding
from gateway.schemas import Role, Schema, SchemaBook
from gateway.upstream import TIMEOUT_HEADER

_DISTRIBUTION = "code-executor"
_SENTENCE = re.compile(r"(.+?[.:])(\s|$)", re.DOTALL)
_VARIABLE = re.compile(r"\{([^{}=]+)=[^{}]+\}")

_TIMEOUT_PARAMETER: Schema = {
    "name": TIMEOUT_HEADER,
    "in": "header",
    "description": "Deadline of the call, as gRPC writes it: up to eight digits and one of the "
    "units H, M, S, m (milliseconds), u, n. Without it the server's own bounds hold.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,8}[HMSmun]$"},
    "example": "30S",
}


def openapi_document(contract: Contract, bindings: Sequence[Binding]) -> bytes:
    """Write the document of all bindings, as JSON."""
    package = contract.service.file.package
    book = SchemaBook(contract.comments, package)
    service = contract.service
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": service.full_name,
            "version": version(_DISTRIBUTION),
            "description": contract.comments.get(service.full_name, ""),
        },
        "tags": [{"name": service.name}],
        "paths": _paths(contract, bindings, book),
    }
    document["components"] = {"schemas": dict(sorted(book.schemas.items()))}
    return orjson.dumps(document)


def _paths(
    contract: Contract, bindings: Sequence[Binding], book: SchemaBook
) -> dict[str, dict[str, Schema]]:
    forms: Counter[str] = Counter()
    operations = []
    for binding in sorted(bindings, key=lambda binding: binding.method.index):
        forms[binding.method.name] += 1
        operations.append(_Operation(contract, binding, book, forms[binding.method.name]))
    paths: dict[str, dict[str, Schema]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.verb] = operation.schema()
    return paths


class _Operation:
    """One binding as an operation."""

    def __init__(self, contract: Contract, binding: Binding, book: SchemaBook, form: int) -> None:
        self._comment = contract.comments.get(binding.method.full_name, "")
        self._binding = binding
        self._book = book
        self._id = binding.method.name if form == 1 else f"{binding.method.name}{form}"
        self.path = _VARIABLE.sub(r"{\1}", binding.template.text)
        self.verb = binding.verb.lower()
        # Now, before the answer of any operation: where a message is both, the request has its name.
        self._body = self._body_schema() if binding.takes_body else None

    def schema(self) -> Schema:
        operation: Schema = {
            "operationId": self._id,
            "tags": [self._binding.method.containing_service.name],
            "parameters": [*self._path(), *self._query(), _TIMEOUT_PARAMETER],
        }
        sentence = _SENTENCE.match(self._comment)
        if sentence is not None:
            operation["summary"] = " ".join(sentence[1].split()).rstrip(".:")
            operation["description"] = self._comment
        if self._body is not None:
            operation["requestBody"] = {"required": True, "content": _json(self._body)}
        operation["responses"] = self._responses()
        return operation

    def _body_schema(self) -> Schema:
        field = self._binding.body_field
        if field is not None:
            return self._book.field(field, Role.REQUEST)
        return self._book.message(self._binding.method.input_type, Role.REQUEST)

    def _responses(self) -> Schema:
        output = self._binding.method.output_type
        name = self._binding.response_body
        ok = (
            self._book.field(output.fields_by_name[name], Role.RESPONSE)
            if name
            else self._book.message(output, Role.RESPONSE)
        )
        retry = {"description": "Seconds to wait, where trying again helps."}
        return {
            "200": {"description": "The call succeeded.", "content": _json(ok)},
            "default": {
                "description": "The call failed.",
                "headers": {"Retry-After": {**retry, "schema": {"type": "integer"}}},
                "content": _json(self._book.error()),
            },
        }

    def _path(self) -> Iterator[Schema]:
        for variable in self._binding.template.variables:
            yield self._parameter(variable.field_path, "path", required=True)

    def _query(self) -> Iterator[Schema]:
        if self._binding.whole_body:
            return
        in_path = {variable.field_path for variable in self._binding.template.variables}
        in_body = self._binding.body_field.name if self._binding.body_field else None
        for path in _query_paths(self._binding.method.input_type, "", ()):
            if path not in in_path and path.split(".")[0] != in_body:
                yield self._parameter(path, "query", required=False)

    def _parameter(self, path: str, place: str, *, required: bool) -> Schema:
        fields = resolve(self._binding.method.input_type, path)
        assert fields is not None
        schema = self._book.field(fields[-1], Role.RESPONSE)
        description = schema.pop("description", None)
        parameter = {"name": path, "in": place, "required": required, "schema": schema}
        return {**parameter, "description": description} if description else parameter


def _query_paths(message: Descriptor, prefix: str, outer: tuple[Descriptor, ...]) -> Iterator[str]:
    """Every field that a query parameter can set; a message inside itself is not followed."""
    for field in message.fields:
        inside = field.message_type
        if inside is None or is_well_known(inside):
            yield prefix + field.name
        elif _is_followed(field, (*outer, message)):
            yield from _query_paths(inside, f"{prefix}{field.name}.", (*outer, message))


def _is_followed(field: FieldDescriptor, outer: tuple[Descriptor, ...]) -> bool:
    return not field.is_repeated and map_entry(field) is None and field.message_type not in outer


def _json(schema: Schema) -> Schema:
    return {JSON: {"schema": schema}}
