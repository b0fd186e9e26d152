"""Hypothesis strategies for messages of any type."""

from __future__ import annotations

import math

from google.protobuf.descriptor import FieldDescriptor as F
from hypothesis import strategies as st

from tests.unit.gateway.library import message_class

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_INT32, _INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
_UINT32, _UINT64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)

SCALARS = {
    **dict.fromkeys((F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32), _INT32),
    **dict.fromkeys((F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64), _INT64),
    **dict.fromkeys((F.TYPE_UINT32, F.TYPE_FIXED32), _UINT32),
    **dict.fromkeys((F.TYPE_UINT64, F.TYPE_FIXED64), _UINT64),
    # JSON has one NaN, binary has many: only the usual one comes back as it went
    F.TYPE_FLOAT: st.floats(width=32, allow_nan=False) | st.just(math.nan),
    F.TYPE_DOUBLE: st.floats(allow_nan=False) | st.just(math.nan),
    F.TYPE_BOOL: st.booleans(),
    F.TYPE_STRING: _TEXT,
    F.TYPE_BYTES: st.binary(max_size=8),
    F.TYPE_ENUM: st.sampled_from([0, 1, -2, 77]),
}


def _well_known(name: str):
    cls = {
        "Timestamp": st.builds(
            dict, seconds=st.integers(0, 2**33), nanos=st.integers(0, 10**9 - 1)
        ),
        "Duration": st.builds(dict, seconds=st.integers(0, 2**33), nanos=st.integers(0, 10**9 - 1)),
        "Int64Value": st.builds(dict, value=_INT64),
        "Struct": st.dictionaries(_TEXT, st.booleans() | _TEXT, max_size=2),
        "Value": st.builds(dict, string_value=_TEXT),
    }
    return cls[name]


def _value(field, depth: int):
    if field.message_type is None:
        return SCALARS[field.type]
    if field.message_type.full_name.startswith("google.protobuf."):
        return _well_known(field.message_type.name)
    return messages(depth - 1)


def _field(field, depth: int):
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        return st.dictionaries(SCALARS[key.type], _value(value, depth), max_size=2)
    if field.is_repeated:
        return st.lists(_value(field, depth), max_size=2)
    return _value(field, depth)


@st.composite
def messages(draw, depth: int = 2):
    """Messages of type library.v1.All with some of its fields set, nested to ``depth``."""
    cls = message_class("All")
    usable = [f for f in cls.DESCRIPTOR.fields if depth > 0 or not _nests(f)]
    chosen = draw(st.lists(st.sampled_from(usable), max_size=6, unique_by=lambda f: f.name))
    oneof_taken = False
    kept = {}
    for field in chosen:
        in_oneof = field.containing_oneof is not None and field.containing_oneof.name == "choice"
        if in_oneof and oneof_taken:
            continue
        oneof_taken = oneof_taken or in_oneof
        kept[field.name] = draw(_field(field, depth))
    return cls(**kept)


def _nests(field) -> bool:
    inside = field.message_type
    if inside is None:
        return False
    if inside.GetOptions().map_entry:
        inside = inside.fields_by_name["value"].message_type
    return inside is not None and inside.name == "All"
