"""The one error shape, and the table of statuses."""

import json

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from structlog.testing import capture_logs

from gateway.errors import HTTP_STATUS, STATUS_DETAILS_KEY, from_rpc_error, http_error


def rpc_error(code, message="said", trailers=()):
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), message)


def detailed(code, *details):
    status = status_pb2.Status(code=code.value[0], message="said")
    for detail in details:
        status.details.add().Pack(detail)
    return rpc_error(code, trailers=[(STATUS_DETAILS_KEY, status.SerializeToString())])


def answered(error):
    return json.loads(error.body())["error"]


@pytest.mark.parametrize(
    ("code", "http_status"),
    [
        ("CANCELLED", 499),
        ("UNKNOWN", 500),
        ("INVALID_ARGUMENT", 400),
        ("DEADLINE_EXCEEDED", 504),
        ("NOT_FOUND", 404),
        ("ALREADY_EXISTS", 409),
        ("PERMISSION_DENIED", 403),
        ("RESOURCE_EXHAUSTED", 429),
        ("FAILED_PRECONDITION", 400),
        ("ABORTED", 409),
        ("OUT_OF_RANGE", 400),
        ("UNIMPLEMENTED", 501),
        ("INTERNAL", 500),
        ("UNAVAILABLE", 503),
        ("DATA_LOSS", 500),
        ("UNAUTHENTICATED", 401),
    ],
)
def test_each_code_has_its_http_status(code, http_status):
    info = error_details_pb2.ErrorInfo(reason="WHY", domain="code-executor")
    error = from_rpc_error(detailed(grpc.StatusCode[code], info))
    assert error.http_status == http_status
    assert answered(error) == {
        "code": http_status,
        "status": code,
        "message": "said",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "WHY",
                "domain": "code-executor",
            }
        ],
    }


def test_the_table_has_every_code_but_ok():
    assert set(HTTP_STATUS) == set(code_pb2.Code.values()) - {code_pb2.OK}


@pytest.mark.parametrize(
    ("delay", "header"),
    [
        (Duration(), "1"),
        (Duration(nanos=1), "1"),
        (Duration(seconds=1), "1"),
        (Duration(seconds=1, nanos=1), "2"),
        (Duration(seconds=90), "90"),
    ],
)
def test_retry_info_is_retry_after_rounded_up(delay, header):
    retry = error_details_pb2.RetryInfo(retry_delay=delay)
    error = from_rpc_error(detailed(grpc.StatusCode.RESOURCE_EXHAUSTED, retry))
    assert error.headers == {"Retry-After": header}


def test_details_are_json_of_the_same_messages():
    violation = error_details_pb2.BadRequest.FieldViolation(
        field="files[0].path", description="is empty", reason="EMPTY"
    )
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    quota = error_details_pb2.QuotaFailure(
        violations=[error_details_pb2.QuotaFailure.Violation(subject="s", description="d")]
    )
    error = from_rpc_error(detailed(grpc.StatusCode.INVALID_ARGUMENT, bad, quota))
    assert answered(error)["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [
                {"field": "files[0].path", "description": "is empty", "reason": "EMPTY"}
            ],
        },
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"subject": "s", "description": "d"}],
        },
    ]


@pytest.mark.parametrize("value", [b"", b"\xff\xff", b"\x08\x01"])
def test_details_that_are_none_do_not_break_the_answer(value):
    error = from_rpc_error(
        rpc_error(grpc.StatusCode.NOT_FOUND, trailers=[(STATUS_DETAILS_KEY, value)])
    )
    assert error.http_status == 404
    assert answered(error)["details"][0]["reason"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "detail",
    [
        Any(type_url="type.googleapis.com/newer.Kind", value=b"\x01"),
        Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff"),
        Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\xff"),
    ],
)
def test_a_detail_that_cannot_be_read_keeps_its_name(detail):
    status = status_pb2.Status(code=code_pb2.ABORTED, message="said", details=[detail])
    trailers = [(STATUS_DETAILS_KEY, status.SerializeToString())]
    error = from_rpc_error(rpc_error(grpc.StatusCode.ABORTED, trailers=trailers))
    assert answered(error)["details"] == [{"@type": detail.type_url}]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("UNAVAILABLE", "SERVICE_UNREACHABLE"),
        ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
        ("CANCELLED", "CALL_CANCELLED"),
        ("INTERNAL", "INTERNAL"),
        ("UNKNOWN", "INTERNAL"),
        ("DATA_LOSS", "INTERNAL"),
    ],
)
def test_what_the_transport_says_is_not_passed_on(code, reason):
    error = from_rpc_error(rpc_error(grpc.StatusCode[code], "ipv4:10.1.2.3:50051: refused"))
    answer = answered(error)
    assert answer["details"][0]["reason"] == reason
    assert answer["status"] == code
    assert "10.1.2.3" not in str(answer)


def test_what_only_the_operator_may_see_is_logged():
    with capture_logs() as logs:
        from_rpc_error(rpc_error(grpc.StatusCode.UNAVAILABLE, "ipv4:10.1.2.3:50051: refused"))
        from_rpc_error(rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED, "late"))
    assert [(log["code"], log["said"]) for log in logs] == [
        ("UNAVAILABLE", "ipv4:10.1.2.3:50051: refused")
    ]


def test_an_error_without_details_still_has_error_info():
    answer = answered(from_rpc_error(rpc_error(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")))
    assert answer["message"] == "Method not found!"
    assert answer["details"][0] == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "UNIMPLEMENTED",
        "domain": "code-executor",
    }


def test_own_quota_is_not_taken_for_a_message_too_large():
    error = from_rpc_error(rpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down"))
    assert error.http_status == 429
    too_large = "SERVER: Received message larger than max (10 vs. 5)"
    error = from_rpc_error(rpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED, too_large))
    assert (error.http_status, answered(error)["status"]) == (413, "INVALID_ARGUMENT")


def test_an_own_error_has_what_it_was_given():
    error = http_error(
        code_pb2.UNIMPLEMENTED, "REASON", "said", http_status=405, headers={"Allow": "GET"}
    )
    assert (error.http_status, error.headers) == (405, {"Allow": "GET"})
    assert answered(error)["code"] == 405
    assert answered(error)["status"] == "UNIMPLEMENTED"
