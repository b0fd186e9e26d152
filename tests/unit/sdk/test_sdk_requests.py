"""Keyword arguments become an ExecuteRequest, or an error that says what to change."""

import inspect
import typing
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import pytest
from code_executor import AsyncClient, Client, ExecuteFields, ExecuteRequest, File, execute_request

FIELDS = ExecuteRequest.DESCRIPTOR.fields_by_name
ENUMS = [field for field in FIELDS.values() if field.enum_type is not None]


def test_the_signature_has_every_field_of_the_proto_and_no_other() -> None:
    assert set(ExecuteFields.__annotations__) == set(FIELDS)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_both_clients_take_the_same_fields(client: Any) -> None:
    fields = inspect.signature(client.execute).parameters["fields"]
    assert get_args(fields.annotation) == (ExecuteFields,)


@pytest.mark.parametrize("field", ENUMS, ids=lambda field: field.name)
def test_the_signature_has_the_names_of_every_enum(field: Any) -> None:
    annotation = typing.get_type_hints(ExecuteFields)[field.name]
    literal = next(part for part in get_args(annotation) if get_origin(part) is Literal)
    proto = [name for name in field.enum_type.values_by_name if not name.endswith("_UNSPECIFIED")]
    assert list(get_args(literal)) == proto


SAMPLES: dict[Any, Any] = {str: "text", bytes: b"data", float: 2.5, int: 7}


def sample(annotation: Any) -> Any:
    """A value of the type that the signature promises to take."""
    if get_origin(annotation) in (UnionType, typing.Union):
        return sample(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return get_args(annotation)[-1]
    arguments = get_args(annotation)
    if len(arguments) == 2:
        return {sample(arguments[0]): sample(arguments[1])}
    return [sample(arguments[0])] if arguments else SAMPLES[annotation]


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_takes_what_its_annotation_says(name: str) -> None:
    value = sample(typing.get_type_hints(ExecuteFields)[name])
    built = execute_request(**{"language": "python", name: value})
    assert name in {field.name for field, _ in built.ListFields()}


GOOD = [
    ({"code": "x"}, ExecuteRequest(code="x")),
    ({"code": ""}, ExecuteRequest()),
    ({"input": "tëxt"}, ExecuteRequest(input="tëxt")),
    ({"input": b"\xff\x00"}, ExecuteRequest(input_bytes=b"\xff\x00")),
    ({"input": bytearray(b"ab")}, ExecuteRequest(input_bytes=b"ab")),
    ({"input_bytes": memoryview(b"ab")}, ExecuteRequest(input_bytes=b"ab")),
    # the server decides about both at once
    ({"input": "a", "input_bytes": b"b"}, ExecuteRequest(input="a", input_bytes=b"b")),
    ({"timeout_seconds": 3}, ExecuteRequest(timeout_seconds=3.0)),
    ({"timeout_seconds": -1.5}, ExecuteRequest(timeout_seconds=-1.5)),
    ({"memory_limit_mb": 256}, ExecuteRequest(memory_limit_mb=256)),
    ({"args": ["-a", ""]}, ExecuteRequest(args=["-a", ""])),
    ({"args": ("a", "b")}, ExecuteRequest(args=["a", "b"])),
    ({"env": {"A": "1", "B": ""}}, ExecuteRequest(env={"A": "1", "B": ""})),
    (
        {"files": {"a.txt": "ä", "d/b.bin": b"\xff"}},
        ExecuteRequest(files=[File(path="a.txt", text="ä"), File(path="d/b.bin", content=b"\xff")]),
    ),
    (
        {"files": [File(path="a", text="b")]},
        ExecuteRequest(files=[File(path="a", text="b")]),
    ),
    ({"files": {"empty": ""}}, ExecuteRequest(files=[File(path="empty", text="")])),
    ({"output_overflow": "KILL"}, ExecuteRequest(output_overflow=ExecuteRequest.KILL)),
    ({"output_encoding": "BYTES"}, ExecuteRequest(output_encoding=ExecuteRequest.BYTES)),
    ({"output_encoding": ExecuteRequest.TEXT}, ExecuteRequest(output_encoding=ExecuteRequest.TEXT)),
]


@pytest.mark.parametrize(("fields", "expected"), GOOD)
def test_builds(fields: dict[str, Any], expected: ExecuteRequest) -> None:
    expected.language = "c"
    assert execute_request(language="c", **fields) == expected


def test_empty_text_of_a_file_is_told_from_no_data() -> None:
    [file] = execute_request(language="c", files={"empty": ""}).files
    assert file.WhichOneof("data") == "text"


BAD = [
    ({"langage": "c"}, TypeError, "no field 'langage'; its fields are args, code,"),
    ({"code": b"x"}, TypeError, "code must be str, not bytes"),
    ({"code": None}, TypeError, "code must be str, not NoneType; leave it out for its default"),
    ({"code": "a\ud800"}, ValueError, "code has a lone surrogate at character 1"),
    ({"input": 3}, TypeError, "input must be str, not int"),
    ({"input": b"a", "input_bytes": b"b"}, TypeError, "input and input_bytes are both given"),
    ({"input_bytes": "a"}, TypeError, "input_bytes must be bytes, not str"),
    ({"timeout_seconds": "5"}, TypeError, "timeout_seconds must be a number, not str"),
    ({"timeout_seconds": True}, TypeError, "timeout_seconds must be a number, not bool"),
    ({"memory_limit_mb": 1.5}, TypeError, "memory_limit_mb must be an integer, not float"),
    ({"memory_limit_mb": True}, TypeError, "memory_limit_mb must be an integer, not bool"),
    ({"memory_limit_mb": 2**31}, ValueError, "memory_limit_mb is 2147483648, which does not fit"),
    ({"args": "-v"}, TypeError, "args must be a list or tuple, not str"),
    ({"args": ["a", 1]}, TypeError, r"args\[1\] must be str, not int"),
    ({"args": {"a": 1}}, TypeError, "args must be a list or tuple, not dict"),
    ({"env": [("A", "1")]}, TypeError, "env must be a mapping of str to str, not list"),
    ({"env": {"A": 1}}, TypeError, r"env\['A'\] must be str, not int"),
    ({"env": {1: "A"}}, TypeError, "key of env must be str, not int"),
    ({"files": "a.txt"}, TypeError, "files must be a mapping of path to str or bytes, or a list"),
    ({"files": ["a.txt"]}, TypeError, r"files\[0\] must be a File, not str"),
    ({"files": {"a": 1}}, TypeError, r"files\['a'\] must be str or bytes, not int"),
    ({"files": {1: "a"}}, TypeError, "path in files must be str, not int"),
    ({"files": {"a": "\udfff"}}, ValueError, r"files\['a'\] has a lone surrogate"),
    (
        {"output_overflow": "Kill"},
        ValueError,
        "output_overflow is 'Kill'; expected one of OUTPUT_OVERFLOW_UNSPECIFIED, TRUNCATE, KILL",
    ),
    ({"output_overflow": 1.0}, TypeError, "output_overflow must be the name of a value or its"),
]


@pytest.mark.parametrize(("fields", "kind", "words"), BAD)
def test_refuses_in_clear_words(fields: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        execute_request(language="c", **fields)


def test_language_is_needed() -> None:
    with pytest.raises(TypeError, match="ExecuteRequest needs 'language'"):
        execute_request(code="x")  # type: ignore[call-arg]
