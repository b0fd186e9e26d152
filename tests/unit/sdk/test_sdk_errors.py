"""Every way in which a call can fail has its own class, with what the server said about it."""

import pickle
from typing import Any

import code_executor
import grpc
import pytest
from code_executor import (
    ClientOptions,
    CodeExecutorError,
    FieldViolation,
    InternalError,
    InvalidArgumentError,
    QuotaViolation,
    ResourceExhaustedError,
    UnavailableError,
)
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2 as rpc
from google.rpc import status_pb2

ONCE = ClientOptions(max_attempts=1)
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
CLASSES = {
    "INVALID_ARGUMENT": "InvalidArgumentError",
    "UNAVAILABLE": "UnavailableError",
    "RESOURCE_EXHAUSTED": "ResourceExhaustedError",
    "DEADLINE_EXCEEDED": "DeadlineExceededError",
    "UNAUTHENTICATED": "UnauthenticatedError",
    "PERMISSION_DENIED": "PermissionDeniedError",
    "UNIMPLEMENTED": "UnimplementedError",
    "INTERNAL": "InternalError",
    "CANCELLED": "CallCancelledError",
}


def packed(detail: Any) -> any_pb2.Any:
    wrapped = any_pb2.Any()
    wrapped.Pack(detail)
    return wrapped


def with_details(code: grpc.StatusCode, message: str, *details: any_pb2.Any) -> Any:
    status = status_pb2.Status(code=code.value[0], message=message, details=details)
    return (("grpc-status-details-bin", status.SerializeToString()),)


@pytest.fixture
def failing(serve: Any, connect: Any, refuse: Any) -> Any:
    """Make a call that the server ends as told, and return what it raised."""

    async def fail(code: grpc.StatusCode, message: str, trailing: Any = ()) -> CodeExecutorError:
        server = serve(refuse(code, message, trailing))
        async with connect(server.address, ONCE) as client:
            with pytest.raises(CodeExecutorError) as caught:
                await client.execute(language="c")
        return caught.value

    return fail


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
async def test_each_status_has_its_class(failing: Any, code: grpc.StatusCode) -> None:
    error = await failing(code, "why")
    expected = getattr(code_executor, CLASSES.get(code.name, "CodeExecutorError"))
    assert type(error) is expected
    assert (error.code, error.message, error.reason, error.details) == (code, "why", "", ())
    assert str(error) == f"{code.name}: why"
    assert isinstance(error.__cause__, grpc.RpcError)


async def test_field_violations(failing: Any) -> None:
    code = grpc.StatusCode.INVALID_ARGUMENT
    bad = rpc.BadRequest(
        field_violations=[
            {"field": "cpu_limit", "description": "7 is above 1.0", "reason": "ABOVE_MAXIMUM"},
            {"field": "files[0].path", "description": "is absolute"},
        ]
    )
    info = rpc.ErrorInfo(reason="BAD_FIELDS", domain="code_executor", metadata={"a": "b"})
    error = await failing(code, "bad", with_details(code, "bad", packed(info), packed(bad)))

    assert isinstance(error, InvalidArgumentError)
    assert error.field_violations == (
        FieldViolation("cpu_limit", "7 is above 1.0", "ABOVE_MAXIMUM"),
        FieldViolation("files[0].path", "is absolute", ""),
    )
    assert error.reason == "BAD_FIELDS"
    assert error.details == (info, bad)
    assert str(error).splitlines() == [
        "INVALID_ARGUMENT: bad",
        "  cpu_limit: 7 is above 1.0",
        "  files[0].path: is absolute",
    ]


async def test_what_the_message_says_is_not_said_twice(failing: Any) -> None:
    code, message = grpc.StatusCode.INVALID_ARGUMENT, "cpu_limit: 7 is above 1.0"
    bad = rpc.BadRequest(field_violations=[{"field": "cpu_limit", "description": "7 is above 1.0"}])
    error = await failing(code, message, with_details(code, message, packed(bad)))
    assert str(error) == f"INVALID_ARGUMENT: {message}"


async def test_retry_after_in_seconds(failing: Any) -> None:
    code = grpc.StatusCode.UNAVAILABLE
    info = rpc.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2, nanos=500_000_000))
    error = await failing(code, "full", with_details(code, "full", packed(info)))
    assert isinstance(error, UnavailableError)
    assert error.retry_after == 2.5


async def test_retry_after_is_none_where_nothing_was_said(failing: Any) -> None:
    assert (await failing(grpc.StatusCode.UNAVAILABLE, "full")).retry_after is None


async def test_quota_violations(failing: Any) -> None:
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    quota = rpc.QuotaFailure(violations=[{"subject": "key:a", "description": "10 runs a minute"}])
    retry = rpc.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1))
    trailing = with_details(code, "slow down", packed(quota), packed(retry))
    error = await failing(code, "slow down", trailing)
    assert isinstance(error, ResourceExhaustedError)
    assert error.quota_violations == (QuotaViolation("key:a", "10 runs a minute"),)
    assert error.retry_after == 1.0
    assert "  key:a: 10 runs a minute" in str(error)


async def test_details_that_contradict_the_status_are_dropped(failing: Any) -> None:
    inside = with_details(grpc.StatusCode.UNAVAILABLE, "masked", packed(rpc.RetryInfo()))
    error = await failing(grpc.StatusCode.INTERNAL, "other", inside)
    assert (type(error), error.message, error.details) == (InternalError, "other", ())


async def test_details_that_are_garbage_are_dropped(failing: Any) -> None:
    garbage = (("grpc-status-details-bin", b"\xff\xff\xff"),)
    error = await failing(grpc.StatusCode.INTERNAL, "masked", garbage)
    assert (type(error), error.details) == (InternalError, ())


async def test_a_detail_of_an_unknown_kind_stays_packed(failing: Any) -> None:
    code = grpc.StatusCode.INTERNAL
    unknown = any_pb2.Any(type_url="type.googleapis.com/later.Kind", value=b"\x08\x01")
    error = await failing(code, "new", with_details(code, "new", unknown))
    assert error.details == (unknown,)


async def test_no_server_is_unavailable(connect: Any) -> None:
    async with connect("127.0.0.1:1", ONCE) as client:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
            await client.execute(language="c")


def test_errors_can_be_pickled() -> None:
    info = rpc.ErrorInfo(reason="QUEUE_FULL")
    error = UnavailableError(grpc.StatusCode.UNAVAILABLE, "full", (info,))
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.code, copy.message) == (UnavailableError, error.code, "full")
    assert copy.reason == "QUEUE_FULL"


def test_every_class_is_public_and_in_one_tree() -> None:
    kinds = [getattr(code_executor, name) for name in CLASSES.values()]
    assert all(issubclass(kind, CodeExecutorError) for kind in kinds)
    assert set(CLASSES.values()) <= set(code_executor.__all__)
