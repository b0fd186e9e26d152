"""How many entries an encoded message has, found without making anything of them.

A parser makes an object of every entry. An empty one is two bytes on the wire and dozens of bytes in
memory, so what is allowed by its size alone may hold half a gigabyte once it is parsed.
"""

from __future__ import annotations

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MORE = 0x80
_VARINT_BYTES = 10


def has_more_entries(data: bytes, most: int) -> bool:
    """Whether more than ``most`` fields stand at the top of an encoded message, repeated ones each.

    What is no message ends the count: the parser says what is wrong with it.
    """
    at, count = 0, 0
    try:
        while at < len(data) and count <= most:
            at = _after_field(data, at)
            count += 1
    except (IndexError, ValueError):
        return False
    return count > most


def _after_field(data: bytes, at: int) -> int:
    tag, at = _varint(data, at)
    kind = tag & 7
    if kind == _VARINT:
        return _varint(data, at)[1]
    if kind == _DELIMITED:
        size, at = _varint(data, at)
        return at + size
    # The beginning and the end of a group are a tag alone; what is between them counts as well.
    return at + _FIXED_SIZES.get(kind, 0)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends. Raises IndexError, ValueError."""
    value = 0
    for index in range(_VARINT_BYTES):
        byte = data[at + index]
        value |= (byte & ~_MORE) << (7 * index)
        if not byte & _MORE:
            return value, at + index + 1
    raise ValueError("a number has no end")
