"""Makes an ``ExecuteRequest`` of keyword arguments, in Python's own types.

The conversion follows the descriptor of the message; the only list of fields here is the one that
type checkers and readers need, and a test holds it against the descriptor.
"""

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Required, TypedDict, Unpack

from google.protobuf.descriptor import FieldDescriptor

from code_executor.v1.executor_pb2 import ExecuteRequest, File


class ExecuteFields(TypedDict, total=False):
    """The keyword arguments of ``execute``: the fields of ``ExecuteRequest``.

    What is left out has the server's default. Limits above the server's maximum are refused with
    :class:`~code_executor.InvalidArgumentError`, never lowered silently;
    ``list_languages()`` returns defaults, minima and maxima.
    """

    language: Required[str]
    """Name or alias of a language ("python", "py", "c"), in any case."""

    code: str
    """The program's source. It may be left out only where ``files`` has the main file."""

    input: str | bytes
    """Standard input of the run, as text (sent as UTF-8) or as bytes."""

    timeout_seconds: float
    """Wall time of the run, seconds. Default 30."""

    memory_limit_mb: int
    """Memory of the run, all processes and files together, MiB. Default 128."""

    cpu_limit: float
    """CPU of the run, cores. Default 0.5."""

    version: str
    """Version of the language, or the beginning of one ("3", "3.13"). Default: the language's."""

    input_bytes: bytes
    """The same as bytes in ``input``, under the name that the message has for them."""

    cpu_time_limit_seconds: float
    """CPU time of the run, all processes together, seconds. Default: the wall time is the limit."""

    args: Sequence[str]
    """Arguments after the program's name."""

    env: Mapping[str, str]
    """Added to the minimal environment of the run."""

    files: Mapping[str, str | bytes] | Sequence[File]
    """Files beside the program: path in the working directory to text or bytes, or ``File``s."""

    output_limit_bytes: int
    """Bytes that are returned of each of stdout and stderr. Default 1 MiB."""

    output_overflow: Literal["TRUNCATE", "KILL"] | int
    """What happens to output past the limit: TRUNCATE (default) drops it, KILL ends the program."""

    output_encoding: Literal["TEXT", "BYTES"] | int
    """TEXT (default) fills ``stdout``, ``stderr``; BYTES ``stdout_bytes``, ``stderr_bytes``."""


def execute_request(**fields: Unpack[ExecuteFields]) -> ExecuteRequest:
    """Make the message for one program.

    Raises:
        TypeError: a field that is not known, a needed one that is missing, or a value of a type
            that the field does not take.
        ValueError: a name that the enum does not have, a number that does not fit 32 bits, text
            that is not Unicode.

    >>> execute_request(language="c", input=b"\\x00", files={"a.h": "#define N 3"}).files[0].text
    '#define N 3'
    """
    values = _with_input_by_type(dict(fields))
    known = ExecuteRequest.DESCRIPTOR.fields_by_name
    _check_names(values, known)
    return ExecuteRequest(
        **{name: _converted(known[name], value) for name, value in values.items()}
    )


def _check_names(values: Mapping[str, Any], known: Mapping[str, FieldDescriptor]) -> None:
    if unknown := sorted(values.keys() - known.keys()):
        raise TypeError(
            f"ExecuteRequest has no field {', '.join(map(repr, unknown))}; "
            f"its fields are {', '.join(sorted(known))}"
        )
    if missing := sorted(ExecuteFields.__required_keys__ - values.keys()):
        raise TypeError(f"ExecuteRequest needs {', '.join(map(repr, missing))}")


def _with_input_by_type(values: dict[str, Any]) -> dict[str, Any]:
    """Send ``input`` under the field that the message has for its type."""
    if not isinstance(values.get("input"), _BYTES):
        return values
    if "input_bytes" in values:
        raise TypeError("input and input_bytes are both given as bytes; give one of them")
    return {("input_bytes" if name == "input" else name): value for name, value in values.items()}


def _converted(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _text_map(field.name, value)
    if field.message_type is File.DESCRIPTOR:
        return _files(field.name, value)
    if field.is_repeated:
        convert = _SCALARS[field.type]
        return [convert(f"{field.name}[{i}]", v) for i, v in enumerate(_sequence(field, value))]
    if field.enum_type is not None:
        return _enum(field, value)
    return _SCALARS[field.type](field.name, value)


def _sequence(field: FieldDescriptor, value: Any) -> Sequence[Any]:
    # a str is a sequence of str too, and never the one that was meant
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise _wrong_type(field.name, "a list or tuple", value)
    return value


def _text_map(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _wrong_type(name, "a mapping of str to str", value)
    return {
        _text(f"key of {name}", key): _text(f"{name}[{key!r}]", text) for key, text in value.items()
    }


def _files(name: str, value: Any) -> list[File]:
    if isinstance(value, Mapping):
        return [_file(name, path, data) for path, data in value.items()]
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise _wrong_type(name, "a mapping of path to str or bytes, or a list of File", value)
    for i, item in enumerate(value):
        if not isinstance(item, File):
            raise _wrong_type(f"{name}[{i}]", "a File", item)
    return list(value)


def _file(name: str, path: Any, data: Any) -> File:
    path = _text(f"path in {name}", path)
    if isinstance(data, _BYTES):
        return File(path=path, content=bytes(data))
    if isinstance(data, str):
        return File(path=path, text=_text(f"{name}[{path!r}]", data))
    raise _wrong_type(f"{name}[{path!r}]", "str or bytes", data)


def _enum(field: FieldDescriptor, value: Any) -> int:
    assert field.enum_type is not None
    if not isinstance(value, str):
        return _int32(field.name, value, expected="the name of a value or its number")
    names = field.enum_type.values_by_name
    if value not in names:
        raise ValueError(f"{field.name} is {value!r}; expected one of {', '.join(names)}")
    return names[value].number


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(name, "str", value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} has a lone surrogate at character {error.start}, which is not Unicode text; "
            "pass what is not text as bytes, in input or files"
        ) from error
    return value


def _bytes(name: str, value: Any) -> bytes:
    if not isinstance(value, _BYTES):
        raise _wrong_type(name, "bytes", value)
    return bytes(value)


def _double(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _wrong_type(name, "a number", value)
    return float(value)


def _int32(name: str, value: Any, expected: str = "an integer") -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise _wrong_type(name, expected, value)
    number = int(value)
    if not -(2**31) <= number < 2**31:
        raise ValueError(f"{name} is {number}, which does not fit a signed 32-bit integer")
    return number


def _bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(name, "a bool", value)
    return value


def _wrong_type(name: str, expected: str, value: Any) -> TypeError:
    hint = "; leave it out for its default" if value is None else ""
    return TypeError(f"{name} must be {expected}, not {type(value).__name__}{hint}")


_BYTES = bytes | bytearray | memoryview

_SCALARS: dict[int, Callable[[str, Any], Any]] = {
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_INT32: _int32,
    FieldDescriptor.TYPE_BOOL: _bool,
}
