"""What the JSON mapping asks of protobuf descriptors."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message


@lru_cache(maxsize=256)
def fields_by_json_name(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Both spellings of each field, snake_case and lowerCamel."""
    names = {field.json_name: field for field in descriptor.fields}
    return names | {field.name: field for field in descriptor.fields}


class MapEntry(NamedTuple):
    """What the keys and the values of a map field are."""

    key: FieldDescriptor
    value: FieldDescriptor


def map_entry(field: FieldDescriptor) -> MapEntry | None:
    """Return what a map field holds; None for any other field."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    return MapEntry(entry.fields_by_name["key"], entry.fields_by_name["value"])


def descriptor_of(message: Message) -> Descriptor:
    """Return the descriptor, by the one type that all of its implementations stand for."""
    return cast(Descriptor, message.DESCRIPTOR)


def is_well_known(descriptor: Descriptor) -> bool:
    """Say whether a message has a JSON form of its own (Timestamp, Duration, Struct ...)."""
    return descriptor.full_name.startswith("google.protobuf.")
