"""The table: what is asked, and what every front must answer, in every language.

`expected` maps fields of ExecuteResponse to a value, or to a rule where the value is not one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from code_executor.v1 import executor_pb2 as pb

from tests.contract.programs import EXAMPLE, Spoken

RAW = b"ok \xff\xfe \xc3\x28 \x00 end\n"
NOTE = "zwölf Boxkämpfer\n"


@dataclass(frozen=True)
class Rule:
    """What a field must be, where that is not one value."""

    text: str
    holds: Callable[[Any, Spoken], bool]


def between(least: float, most: float) -> Rule:
    return Rule(f"{least} to {most}", lambda value, _: least <= value <= most)


def says(program: str) -> Rule:
    """The words of the language's compiler or runtime for what this program does wrong."""
    return Rule(f"says {program}", lambda value, spoken: spoken.says[program] in value)


def one_of(*values: Any) -> Rule:
    return Rule(f"one of {values}", lambda value, _: value in values)


def by_kind(*, compiled: Any, interpreted: Any) -> Rule:
    return Rule(
        f"{compiled} if compiled, else {interpreted}",
        lambda value, spoken: value == (compiled if spoken.compiled else interpreted),
    )


EXAMPLE_OUTPUT = Rule("the example's output", lambda value, spoken: value == spoken.example_output)
SOMETHING = Rule("not empty", lambda value, _: bool(value))

Expected = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One program in one situation."""

    name: str
    program: str
    expected: Expected
    request: Mapping[str, Any] = field(default_factory=dict)
    or_else: Expected | None = None
    """Allowed in the place of `expected`, in languages with a word of their own for it."""


FINE = {"status": "OK", "exit_code": 0, "timeout": False, "memory_exceeded": False}

CASES = (
    Case(
        "hello",
        EXAMPLE,
        {
            **FINE,
            "stdout": EXAMPLE_OUTPUT,
            "stderr": "",
            "stdout_truncated": False,
            "execution_time_ms": between(0, 10_000),
            "memory_used_mb": between(1, 128),
            "execution_id": SOMETHING,
            "language.version": SOMETHING,
            "language.image_digest": SOMETHING,
            "compile.status": by_kind(compiled="OK", interpreted="STATUS_UNSPECIFIED"),
            "run.status": "OK",
            "run.measured_by": one_of("CGROUP_V1", "CGROUP_V2"),
            "run.stderr_total_bytes": 0,
        },
    ),
    Case("input", "echo", {**FINE, "stdout": NOTE * 2}, {"input": NOTE * 2}),
    Case("no input", "echo", {**FINE, "stdout": ""}),
    Case(
        "input of bytes",
        "echo",
        {**FINE, "stdout_bytes": RAW, "stdout": ""},
        {"input_bytes": RAW, "output_encoding": "BYTES"},
    ),
    Case(
        "exit code",
        "exit",
        {
            "status": "RUNTIME_ERROR",
            "exit_code": 7,
            "stdout": "",
            "stderr": "no luck\n",
            "run.exit_code": 7,
            "run.signal": "",
        },
    ),
    Case(
        "crash",
        "crash",
        {
            "status": one_of("RUNTIME_ERROR", "SIGNALED"),
            "exit_code": between(1, 255),
            "stderr": says("crash"),
            "timeout": False,
            "memory_exceeded": False,
        },
    ),
    Case(
        "broken source",
        "broken",
        {
            "status": by_kind(compiled="COMPILE_ERROR", interpreted="RUNTIME_ERROR"),
            "exit_code": between(1, 255),
            "stdout": "",
            "stderr": says("broken"),
            "compile.status": by_kind(compiled="RUNTIME_ERROR", interpreted="STATUS_UNSPECIFIED"),
            "run.status": by_kind(compiled="STATUS_UNSPECIFIED", interpreted="RUNTIME_ERROR"),
        },
    ),
    Case(
        "wall time",
        "endless",
        {
            "status": "TIMEOUT",
            "timeout": True,
            "exit_code": 137,
            "stdout": "started\n",
            "run.wall_seconds": between(2.0, 2.7),
            "execution_time_ms": between(2000, 2700),
        },
        {"timeout_seconds": 2.0},
    ),
    Case(
        "CPU time",
        "endless",
        {
            "status": "CPU_TIME_EXCEEDED",
            "timeout": True,
            "run.wall_seconds": between(0.4, 10),
            "run.cpu_seconds": between(0.5, 1.0),
        },
        {"cpu_time_limit_seconds": 0.5, "timeout_seconds": 30.0, "cpu_limit": 1.0},
    ),
    Case(
        "memory",
        "hog",
        {
            "status": "MEMORY_EXCEEDED",
            "memory_exceeded": True,
            "timeout": False,
            "exit_code": between(1, 255),
        },
        {"memory_limit_mb": 128, "cpu_limit": 1.0},
        or_else={
            "status": one_of("RUNTIME_ERROR", "SIGNALED"),
            "memory_exceeded": False,
            "stderr": says("hog"),
        },
    ),
    Case(
        "output cut",
        "flood",
        {
            **FINE,
            "stdout": "x" * 1000,
            "stderr": "done\n",
            "stdout_truncated": True,
            "stderr_truncated": False,
            "run.stdout_total_bytes": 3_000_000,
        },
        {"output_limit_bytes": 1000, "output_overflow": "TRUNCATE"},
    ),
    Case(
        "output kills",
        "flood",
        {
            "status": "OUTPUT_EXCEEDED",
            "stdout": "x" * 1000,
            "stderr": "",
            "stdout_truncated": True,
            "exit_code": between(1, 255),
            "run.stdout_total_bytes": between(1001, 2_999_999),
        },
        {"output_limit_bytes": 1000, "output_overflow": "KILL"},
    ),
    Case(
        "args",
        "given",
        {**FINE, "stdout": "one\ntwo words\n\n--zwölf\n*\nnone\n"},
        {"args": ["one", "two words", "", "--zwölf", "*"]},
    ),
    Case(
        "env",
        "given",
        {**FINE, "stdout": "grüß dich; $HOME\n"},
        {"env": {"GREETING": "grüß dich; $HOME"}},
    ),
    Case(
        "files",
        "files",
        {**FINE, "stdout": NOTE + "0 255 10 128\n"},
        {
            "files": [
                {"path": "note.txt", "text": NOTE},
                {"path": "deep/er/raw.bin", "content": b"\x00\xff\n\x80"},
            ]
        },
    ),
    Case(
        "bytes as text",
        "raw",
        {
            **FINE,
            "stdout": RAW.decode("utf-8", "replace"),
            "stdout_bytes": b"",
            "run.stdout_total_bytes": len(RAW),
        },
    ),
    Case(
        "bytes as bytes",
        "raw",
        {**FINE, "stdout": "", "stdout_bytes": RAW},
        {"output_encoding": "BYTES"},
    ),
)


def mismatches(response: pb.ExecuteResponse, expected: Expected, spoken: Spoken) -> list[str]:
    """What is not as expected, one line each."""
    lines = []
    for path, wanted in expected.items():
        value = _value(response, path)
        holds = wanted.holds(value, spoken) if isinstance(wanted, Rule) else value == wanted
        if not holds:
            text = wanted.text if isinstance(wanted, Rule) else repr(wanted)
            lines.append(f"{path} is {_short(value)}, expected {text}")
    return lines


def _value(response: Any, path: str) -> Any:
    for name in path.split("."):
        descriptor, response = response.DESCRIPTOR.fields_by_name[name], getattr(response, name)
    enum = descriptor.enum_type
    return enum.values_by_number[response].name if enum else response


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 600 else f"{text[:300]} ... {text[-300:]}"
