"""HTTP rules bound to methods: which call a request is for, and where each field comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.api import http_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.contract import AnnotatedMethod, Contract
from gateway.errors import http_error
from gateway.parameters import resolve
from gateway.path_template import PathTemplate, parse_path_template

WHOLE_BODY = "*"


@dataclass(frozen=True, slots=True)
class Binding:
    """One HTTP form of one method."""

    method: MethodDescriptor
    verb: str
    """The HTTP method, in capitals."""
    template: PathTemplate
    whole_body: bool
    """The body is the request message, and there are no query parameters."""
    body_field: FieldDescriptor | None
    """The body is this field; the rest comes from path and query."""
    response_body: str
    """Name of the field that is the response body; empty for the whole response."""
    request_class: type[Message]
    response_class: type[Message]

    @property
    def takes_body(self) -> bool:
        """Say whether a request has a body."""
        return self.whole_body or self.body_field is not None


@dataclass(frozen=True, slots=True)
class Route:
    """A binding that a request matched, with the values from its path by field path."""

    binding: Binding
    path_values: dict[str, str]


def bind_rules(contract: Contract) -> tuple[Binding, ...]:
    """Bind every rule of a contract, additional bindings too, the most specific path first.

    Raises:
        ValueError: a rule names a field that its method does not have, or its method streams.
    """
    bindings = [
        _bind(annotated.descriptor, rule)
        for annotated in contract.methods
        for rule in _flatten(annotated)
        # A custom kind is no HTTP method (WEBSOCKET, say): whoever serves it finds its rule.
        if rule.WhichOneof("pattern") != "custom"
    ]
    return tuple(sorted(bindings, key=lambda binding: binding.template.precedence))


class Router:
    """Finds the binding of a request."""

    def __init__(self, bindings: Sequence[Binding]) -> None:
        """Take bindings in the order in which they are tried."""
        self._bindings = bindings

    def find(self, verb: str, path: str) -> Route:
        """Find by HTTP method and path, the latter as sent, still percent-encoded.

        Raises:
            HttpError: 404 for a path that nothing has, 405 with ``Allow`` for another's method.
        """
        verb = "GET" if verb == "HEAD" else verb
        allowed: set[str] = set()
        for binding in self._bindings:
            values = _match(binding.template, path)
            if values is None:
                continue
            if binding.verb == verb:
                return Route(binding, values)
            allowed.add(binding.verb)
        if allowed:
            raise method_not_allowed(allowed)
        raise http_error(
            code_pb2.NOT_FOUND,
            "ROUTE_NOT_FOUND",
            "there is nothing at this path; GET /openapi.json lists what there is",
        )


def method_not_allowed(allowed: set[str]) -> Exception:
    """Make the 405.

    Its status is UNIMPLEMENTED: the operation does not exist on this resource, and no code is
    nearer (HTTP's own 501 would deny the method everywhere).
    """
    names = sorted(allowed | ({"HEAD"} if "GET" in allowed else set()))
    return http_error(
        code_pb2.UNIMPLEMENTED,
        "METHOD_NOT_ALLOWED",
        f"this path takes {' or '.join(names)}",
        http_status=405,
        headers={"Allow": ", ".join(names)},
    )


def _match(template: PathTemplate, path: str) -> dict[str, str] | None:
    try:
        return template.match(path)
    except UnicodeDecodeError:
        return None


def _flatten(annotated: AnnotatedMethod) -> Iterator[http_pb2.HttpRule]:
    yield annotated.rule
    yield from annotated.rule.additional_bindings


def _bind(method: MethodDescriptor, rule: http_pb2.HttpRule) -> Binding:
    if method.client_streaming or method.server_streaming:
        raise ValueError(f"{method.full_name}: only unary methods have a transcoding")
    verb = rule.WhichOneof("pattern")
    if verb is None:
        raise ValueError(f"{method.full_name}: its HTTP rule has no pattern")
    template = parse_path_template(getattr(rule, verb))
    for variable in template.variables:
        _check_variable(method, variable.field_path)
    body = None
    if rule.body not in ("", WHOLE_BODY):
        body = _field(method.input_type, rule.body)
    if rule.response_body:
        _field(method.output_type, rule.response_body)
    return Binding(
        method=method,
        verb=verb.upper(),
        template=template,
        whole_body=rule.body == WHOLE_BODY,
        body_field=body,
        response_body=rule.response_body,
        request_class=message_factory.GetMessageClass(method.input_type),
        response_class=message_factory.GetMessageClass(method.output_type),
    )


def _check_variable(method: MethodDescriptor, field_path: str) -> None:
    fields = resolve(method.input_type, field_path)
    if fields is None or fields[-1].is_repeated:
        raise ValueError(f"{method.full_name}: no path can hold the field {field_path}")


def _field(descriptor: Descriptor, name: str) -> FieldDescriptor:
    field: FieldDescriptor | None = descriptor.fields_by_name.get(name)
    if field is None:
        raise ValueError(f"{descriptor.full_name} has no field {name}")
    return field
