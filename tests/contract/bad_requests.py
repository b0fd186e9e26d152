"""The table of bad requests: what is wrong with each, and which fields every front must name for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import Any

MIB = 1024 * 1024
Violations = tuple[tuple[str, str], ...]

GOOD: Mapping[str, Any] = {"language": "python", "code": "print('ran')"}


@dataclass(frozen=True)
class Bad:
    """A request that is good but for these fields."""

    name: str
    fields: Mapping[str, Any]
    violations: Violations
    words: tuple[str, ...] = ()
    """What the message must tell, beside the field."""


def bad(name: str, field: str, reason: str, *words: str, **fields: Any) -> Bad:
    return Bad(name, fields, ((field, reason),), words)


def bad_path(name: str, reason: str, *paths: str) -> Bad:
    """The last of these paths is the bad one."""
    files = [{"path": path, "text": ""} for path in paths]
    return bad(name, f"files[{len(paths) - 1}].path", reason, files=files)


def bad_limit(field: str, value: float, allowed: str) -> Bad:
    return bad(f"{field} {value:g}", field, "OUT_OF_RANGE", allowed, **{field: value})


def files(count: int, size: int = 0) -> list[dict[str, Any]]:
    return [{"path": f"file{number}", "content": b"x" * size} for number in range(count)]


LANGUAGES = ("known are", "c, ", "python")
SECONDS = "0.01 to 120"

LANGUAGE = (
    bad("no language", "language", "UNKNOWN_LANGUAGE", *LANGUAGES, language=""),
    bad(
        "unknown language",
        "language",
        "UNKNOWN_LANGUAGE",
        "'klingon'",
        *LANGUAGES,
        language="klingon",
    ),
    bad("language with a space", "language", "UNKNOWN_LANGUAGE", *LANGUAGES, language=" python"),
    bad("long language", "language", "UNKNOWN_LANGUAGE", *LANGUAGES, language="p" * 10_000),
    bad("unknown version", "version", "UNKNOWN_VERSION", "'2'", "installed are 3.", version="2"),
    bad("half a version", "version", "UNKNOWN_VERSION", "installed are 3.", version="3.1"),
)

SIZES = (
    bad("empty code", "code", "EMPTY", "main.py", code=""),
    bad("empty code, no main file", "code", "EMPTY", "main.py", code="", files=files(1)),
    bad("code", "code", "TOO_LARGE", "1048577", "1048576", code="#" * (MIB + 1)),
    bad("code in UTF-8", "code", "TOO_LARGE", "1048577", code="#" + "ü" * (MIB // 2)),
    bad("input", "input", "TOO_LARGE", "8388608", input="x" * (8 * MIB + 1)),
    bad("input of bytes", "input_bytes", "TOO_LARGE", "8388608", input_bytes=b"x" * (8 * MIB + 1)),
    bad("two inputs", "input_bytes", "CONFLICT", "expected one", input="x", input_bytes=b"x"),
    bad("files", "files", "TOO_LARGE", "65", "64", files=files(65)),
    bad("bytes of files", "files", "TOO_LARGE", "8388608", files=files(2, 4 * MIB + 1)),
    bad("file of nothing", "files[0]", "EMPTY", "content", "text", files=[{"path": "a"}]),
    bad("args", "args", "TOO_LARGE", "257", "256", args=["x"] * 257),
    bad("bytes of args", "args", "TOO_LARGE", "32768", args=["x" * 32_768]),
    bad("bytes of env", "args", "TOO_LARGE", "32768", env={"A": "x" * 32_768}),
    bad("args and env", "args", "TOO_LARGE", "32768", args=["x" * 20_000], env={"A": "x" * 20_000}),
    bad("env", "env", "TOO_LARGE", "65", "64", env={f"A{number}": "" for number in range(65)}),
)

CHARACTERS = (
    bad("NUL in code", "code", "NUL_BYTE", code="print(1)\0"),
    bad("NUL in args", "args[1]", "NUL_BYTE", args=["good", "a\0b"]),
    bad("NUL in env", "env['A']", "NUL_BYTE", env={"A": "a\0b"}),
    bad("NUL in a name", "env['A\\x00']", "NUL_BYTE", env={"A\0": ""}),
    bad("'=' in a name", "env['A=B']", "BAD_NAME", env={"A=B": ""}),
    bad("no name", "env['']", "BAD_NAME", env={"": "x"}),
)

LIMITS = (
    *(bad_limit("timeout_seconds", value, SECONDS) for value in (-1.0, 0.001, 120.5, 1e300, nan)),
    *(bad_limit("timeout_seconds", value, SECONDS) for value in (inf, -inf)),
    *(bad_limit("cpu_time_limit_seconds", v, SECONDS) for v in (-1.0, 121.0, nan, inf, -inf)),
    *(bad_limit("memory_limit_mb", value, "16 to 1024") for value in (-1, 15, 1025, 2**31 - 1)),
    *(bad_limit("cpu_limit", value, "0.05 to 1") for value in (-0.5, 0.01, 1.01, nan, inf)),
    *(bad_limit("output_limit_bytes", v, "to 1.67772e+07") for v in (-1, 16 * MIB + 1)),
    bad("output_overflow", "output_overflow", "UNKNOWN_VALUE", "TRUNCATE, KILL", output_overflow=9),
    bad("output_encoding", "output_encoding", "UNKNOWN_VALUE", "TEXT, BYTES", output_encoding=-1),
)

PATHS = (
    bad_path("empty path", "EMPTY", ""),
    bad_path("absolute path", "ABSOLUTE_PATH", "/etc/passwd"),
    bad_path("path out", "BAD_PATH", "../out"),
    bad_path("path out and in", "BAD_PATH", "a/../../box/b"),
    bad_path("dot", "BAD_PATH", "."),
    bad_path("dot inside", "BAD_PATH", "a/./b"),
    bad_path("two slashes", "BAD_PATH", "a//b"),
    bad_path("slash at the end", "BAD_PATH", "a/"),
    bad_path("NUL in a path", "NUL_BYTE", "a\0b"),
    bad_path("long path", "TOO_LARGE", "ü" * 128),
    bad_path("deep path", "TOO_DEEP", "/".join("a" * 17)),
    bad_path("path twice", "DUPLICATE_PATH", "a/b", "a/b"),
    bad_path("file, then folder", "PATH_CONFLICT", "a", "a/b"),
    bad_path("folder, then file", "PATH_CONFLICT", "a/b/c", "a/b"),
    bad_path("name of the program", "DUPLICATE_PATH", "main.py"),
    bad_path("program as folder", "PATH_CONFLICT", "main.py/x"),
)

SEVERAL = (
    Bad(
        "everything at once",
        {"language": "klingon", "timeout_seconds": -1.0, "args": ["\0"], "cpu_limit": 9.0},
        (
            ("language", "UNKNOWN_LANGUAGE"),
            ("args[0]", "NUL_BYTE"),
            ("timeout_seconds", "OUT_OF_RANGE"),
            ("cpu_limit", "OUT_OF_RANGE"),
        ),
    ),
    Bad(
        "name of the artifact",
        {"language": "c", "files": [{"path": "program", "text": ""}]},
        (("files[0].path", "DUPLICATE_PATH"),),
        ("what the compiler makes",),
    ),
)

BAD_REQUESTS = (*LANGUAGE, *SIZES, *CHARACTERS, *LIMITS, *PATHS, *SEVERAL)

# Each bound of its own is kept, and still it is too much.
TOO_LARGE_IN_ALL = {
    **GOOD,
    "input": "x" * (8 * MIB),
    "code": "#" * (MIB // 2),
    "files": files(2, 4 * MIB),
}


@dataclass(frozen=True)
class BadBody:
    """A body of REST that is no request."""

    name: str
    body: bytes
    reason: str
    violations: Violations = ()


def wrong(name: str, body: bytes, field: str, reason: str) -> BadBody:
    return BadBody(name, body, "INVALID_REQUEST", ((field, reason),))


BAD_BODIES = (
    BadBody("nothing", b"", "MALFORMED_JSON"),
    BadBody("half", b'{"language":', "MALFORMED_JSON"),
    BadBody("two values", b"{} {}", "MALFORMED_JSON"),
    BadBody("an array", b"[]", "MALFORMED_JSON"),
    BadBody("null", b"null", "MALFORMED_JSON"),
    BadBody("invalid UTF-8", b'{"code": "\xff"}', "MALFORMED_JSON"),
    BadBody("UTF-16", '{"code": "x"}'.encode("utf-16"), "MALFORMED_JSON"),
    BadBody("too deep", b"[" * 100_000, "MALFORMED_JSON"),
    BadBody("NaN as a word", b'{"timeout_seconds": NaN}', "MALFORMED_JSON"),
    wrong("unknown field", b'{"languages": "python"}', "languages", "UNKNOWN_FIELD"),
    wrong("unknown inside", b'{"files": [{"name": "a"}]}', "files[0].name", "UNKNOWN_FIELD"),
    wrong("number for text", b'{"code": 1}', "code", "WRONG_TYPE"),
    wrong("text for number", b'{"timeout_seconds": "soon"}', "timeout_seconds", "WRONG_TYPE"),
    wrong("text for list", b'{"args": "x"}', "args", "WRONG_TYPE"),
    wrong("list for map", b'{"env": []}', "env", "WRONG_TYPE"),
    wrong("null inside", b'{"args": [null]}', "args[0]", "WRONG_TYPE"),
    wrong("part of a whole", b'{"memory_limit_mb": 64.5}', "memory_limit_mb", "WRONG_TYPE"),
    wrong("past 32 bits", b'{"memory_limit_mb": 4294967360}', "memory_limit_mb", "OUT_OF_RANGE"),
    wrong("past a double", b'{"timeout_seconds": 1e999}', "timeout_seconds", "OUT_OF_RANGE"),
    wrong("no such name", b'{"output_encoding": "HEX"}', "output_encoding", "UNKNOWN_VALUE"),
    wrong("no base64", b'{"input_bytes": "*"}', "input_bytes", "INVALID_BASE64"),
    wrong("half a character", b'{"code": "\\ud83d"}', "code", "INVALID_UNICODE"),
    wrong("key twice", b'{"code": "1", "code": "2"}', "code", "DUPLICATE_FIELD"),
    wrong("two spellings", b'{"cpuLimit": 1, "cpu_limit": 1}', "cpu_limit", "DUPLICATE_FIELD"),
    wrong("name twice", b'{"env": {"A": "1", "A": "2"}}', 'env["A"]', "DUPLICATE_FIELD"),
    wrong("both data", b'{"files": [{"text": "", "content": ""}]}', "files[0].content", "CONFLICT"),
)
