"""A result has the fields of the response, and reads well."""

import copy
import pickle

import pytest
from code_executor import ExecuteResponse, ExecutionResult, Status
from code_executor.v1.executor_pb2 import LanguageInfo, Stage
from google.protobuf.json_format import MessageToDict

RESPONSE = ExecuteResponse(
    status=ExecuteResponse.RUNTIME_ERROR,
    stdout="out\n",
    exit_code=3,
    stdout_bytes=b"\xff",
    run=Stage(exit_code=3, cpu_seconds=0.5),
    language=LanguageInfo(name="python", version="3.13.5"),
)
RESULT = ExecutionResult(RESPONSE)


@pytest.mark.parametrize("name", ExecuteResponse.DESCRIPTOR.fields_by_name)
def test_has_every_field(name: str) -> None:
    assert getattr(RESULT, name) == getattr(RESPONSE, name)
    assert name in dir(RESULT)


@pytest.mark.parametrize("status", Status.keys())
def test_ok_is_the_one_good_status(status: str) -> None:
    assert ExecutionResult(ExecuteResponse(status=Status.Value(status))).ok == (status == "OK")


def test_repr_shows_what_is_set() -> None:
    assert repr(RESULT) == (
        "ExecutionResult(status=RUNTIME_ERROR, stdout='out\\n', exit_code=3, "
        "run={exit_code: 3 cpu_seconds: 0.5}, stdout_bytes=b'\\xff', "
        'language={name: "python" version: "3.13.5"})'
    )


def test_repr_is_short_for_long_output() -> None:
    response = ExecuteResponse(
        stdout="a" * 1_000_000, stdout_bytes=b"b" * 1_000_000, compile=Stage(stderr="c" * 100_000)
    )
    shown = repr(ExecutionResult(response))
    assert len(shown) < 500
    assert "stdout='aaa" in shown


def test_repr_of_a_status_that_is_newer_than_the_client() -> None:
    response = ExecuteResponse.FromString(b"\x40\x63")
    assert repr(ExecutionResult(response)) == "ExecutionResult(status=99)"


def test_no_other_attribute() -> None:
    with pytest.raises(AttributeError, match="stdoutt"):
        RESULT.stdoutt  # type: ignore[attr-defined]  # noqa: B018


def test_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        RESULT.stdout = "forged"


def test_compared_by_value() -> None:
    assert ExecutionResult(ExecuteResponse(stdout="a")) == ExecutionResult(
        ExecuteResponse(stdout="a")
    )
    assert ExecutionResult(ExecuteResponse(stdout="a")) != ExecutionResult(ExecuteResponse())


def test_copied_and_pickled() -> None:
    assert copy.deepcopy(RESULT) == RESULT
    assert pickle.loads(pickle.dumps(RESULT)) == RESULT


def test_what_it_does_not_know_the_message_does() -> None:
    assert RESULT.HasField("run")
    assert not RESULT.HasField("compile")
    assert MessageToDict(RESULT.message)["exitCode"] == 3
