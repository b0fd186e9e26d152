"""A good request becomes a program, with every default filled in. Bad ones have a table of their own."""

from __future__ import annotations

from typing import Any

import pytest
from code_executor.v1 import executor_pb2 as pb

from executor_server.errors import InvalidRequestError
from executor_server.language_file import load_languages
from executor_server.model import Encoding, InputFile, Overflow, Program, RunLimits
from executor_server.service.request import RequestReader
from executor_server.settings import load
from tests.contract.programs import LANGUAGES as FOLDER

LANGUAGES = load_languages(FOLDER)


class Installed:
    """Images of which the real versions are known."""

    def real_versions(self, language: Any) -> dict[str, str]:
        return {"3.13": "3.13.5"} if language.name == "python" else {}

    def select(self, language: Any, version: str) -> Any:
        return language.select(version, self.real_versions(language))


def read(**fields: Any) -> Program:
    images: Any = Installed()
    reader = RequestReader(load({}, None)[0], LANGUAGES, images)
    return reader.read(pb.ExecuteRequest(**{"language": "python", "code": "x", **fields}))


def test_defaults() -> None:
    program = read()
    assert program.limits == RunLimits(30.0, 0.0, 128, 0.5, 2**20)
    assert (program.stdin, program.args, program.env, program.files) == (b"", (), {}, ())
    assert (program.overflow, program.encoding) == (Overflow.TRUNCATE, Encoding.TEXT)
    assert program.sources() == (InputFile("main.py", b"x"),)


def test_everything_that_can_be_said() -> None:
    program = read(
        code="ü",
        input="ein",
        timeout_seconds=120,
        cpu_time_limit_seconds=0.01,
        memory_limit_mb=16,
        cpu_limit=1.0,
        args=["a", ""],
        env={"A": "1"},
        files=[pb.File(path="a/b", text="ü"), pb.File(path="c", content=b"\xff")],
        output_limit_bytes=1,
        output_overflow=pb.ExecuteRequest.KILL,
        output_encoding=pb.ExecuteRequest.BYTES,
    )
    assert program.limits == RunLimits(120.0, 0.01, 16, 1.0, 1)
    assert (program.code, program.stdin) == ("ü".encode(), b"ein")
    assert (program.args, program.env) == (("a", ""), {"A": "1"})
    assert program.files == (InputFile("a/b", "ü".encode()), InputFile("c", b"\xff"))
    assert (program.overflow, program.encoding) == (Overflow.KILL, Encoding.BYTES)


@pytest.mark.parametrize("name", ["python", "PYTHON", "py", "Python3"])
def test_names_and_aliases_in_any_case(name: str) -> None:
    assert read(language=name).language.name == "python"


@pytest.mark.parametrize("version", ["", "3", "3.13", "3.13.5"])
def test_a_version_is_a_prefix_of_the_real_one(version: str) -> None:
    assert read(version=version).version.version == "3.13"


@pytest.mark.parametrize("version", ["2", "3.1", "3.13.50", "3.13.5.1", "latest", "3."])
def test_another_version_is_none(version: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"installed are 3\.13\.5"):
        read(version=version)


def test_the_main_file_may_come_among_the_files() -> None:
    program = read(code="", files=[pb.File(path="main.py", text="y"), pb.File(path="b", text="")])
    assert program.sources() == (InputFile("main.py", b"y"), InputFile("b", b""))


def test_the_file_of_another_language_is_no_main_file() -> None:
    with pytest.raises(InvalidRequestError, match=r"main\.py"):
        read(code="", files=[pb.File(path="main.c", text="y")])


def test_an_empty_input_of_either_kind_is_none() -> None:
    assert read(input="", input_bytes=b"").stdin == b""


def test_values_at_their_bounds_are_taken() -> None:
    read(code="#" * 2**20, args=["x"] * 256, env={f"A{n:02}": "" for n in range(64)})
    read(files=[pb.File(path=f"f{n}", content=b"x" * 2**17) for n in range(64)])
    read(input_bytes=b"x" * 2**23)
    read(args=["x" * (32 * 1024 - 1)])
