"""The contract as data: methods with their HTTP rules, and the comments of the proto."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

from code_executor.v1 import executor_pb2
from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

# Field numbers in descriptor.proto, which make up the paths of SourceCodeInfo.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE, _SERVICE_METHOD = 2, 2

_Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AnnotatedMethod:
    """One method and its HTTP rule."""

    descriptor: MethodDescriptor
    rule: http_pb2.HttpRule


@dataclass(frozen=True, slots=True)
class Contract:
    """What the gateway serves."""

    service: ServiceDescriptor
    methods: tuple[AnnotatedMethod, ...]
    """Those that have an HTTP rule, in the order of the proto."""
    comments: Mapping[str, str]
    """Text by full name of a service, method, message, field, enum or enum value."""


def load_contract() -> Contract:
    """Read the contract of this release, which ``proto/generate.sh`` wrote beside this file."""
    data = files(__package__).joinpath("executor.binpb").read_bytes()
    return contract_of(executor_pb2.DESCRIPTOR, FileDescriptorSet.FromString(data).file[0])


def contract_of(file: FileDescriptor, source: FileDescriptorProto) -> Contract:
    """Join descriptors that make messages with the annotated source of the same file.

    Raises:
        ValueError: the file does not hold exactly one service.
    """
    if len(source.service) != 1:
        raise ValueError(f"{source.name}: expected one service, found {len(source.service)}")
    service = file.services_by_name[source.service[0].name]
    rules = {
        method.name: method.options.Extensions[annotations_pb2.http]
        for method in source.service[0].method
        if method.options.HasExtension(annotations_pb2.http)
    }
    methods = (
        AnnotatedMethod(method, rules[method.name])
        for method in service.methods
        if method.name in rules
    )
    return Contract(service, tuple(methods), dict(_comments(source)))


def _comments(source: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    names = dict(_names(source))
    for place in source.source_code_info.location:
        name = names.get(tuple(place.path))
        if name is not None and place.leading_comments:
            lines = place.leading_comments.splitlines()
            yield name, "\n".join(line.removeprefix(" ") for line in lines).strip()


def _names(source: FileDescriptorProto) -> Iterator[tuple[_Path, str]]:
    for i, message in enumerate(source.message_type):
        yield from _message_names(message, (_FILE_MESSAGE, i), source.package)
    for i, enum in enumerate(source.enum_type):
        yield from _enum_names(enum, (_FILE_ENUM, i), source.package)
    for i, service in enumerate(source.service):
        full = f"{source.package}.{service.name}"
        yield (_FILE_SERVICE, i), full
        for j, method in enumerate(service.method):
            yield (_FILE_SERVICE, i, _SERVICE_METHOD, j), f"{full}.{method.name}"


def _message_names(
    message: DescriptorProto, path: _Path, scope: str
) -> Iterator[tuple[_Path, str]]:
    full = f"{scope}.{message.name}"
    yield path, full
    for i, field in enumerate(message.field):
        yield (*path, _MESSAGE_FIELD, i), f"{full}.{field.name}"
    for i, nested in enumerate(message.nested_type):
        yield from _message_names(nested, (*path, _MESSAGE_NESTED, i), full)
    for i, enum in enumerate(message.enum_type):
        yield from _enum_names(enum, (*path, _MESSAGE_ENUM, i), full)


def _enum_names(enum: EnumDescriptorProto, path: _Path, scope: str) -> Iterator[tuple[_Path, str]]:
    full = f"{scope}.{enum.name}"
    yield path, full
    for i, value in enumerate(enum.value):
        # descriptors scope values beside their enum; here they are named below it, as readers do
        yield (*path, _ENUM_VALUE, i), f"{full}.{value.name}"
