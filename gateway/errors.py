"""The one error shape (AIP-193), and how gRPC statuses and HTTP statuses stand for each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import grpc
import orjson
import structlog
from google.protobuf import any_pb2, json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message

# Imported for its effect too: the types must be known for details to be written as JSON.
from google.rpc import code_pb2, error_details_pb2, status_pb2

_log = structlog.get_logger(__name__)

DOMAIN = "code-executor"
STATUS_DETAILS_KEY = "grpc-status-details-bin"

# google/rpc/code.proto says the HTTP status of each code beside it.
HTTP_STATUS: Mapping[int, int] = {
    code_pb2.CANCELLED: 499,
    code_pb2.UNKNOWN: 500,
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.DEADLINE_EXCEEDED: 504,
    code_pb2.NOT_FOUND: 404,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.ABORTED: 409,
    code_pb2.OUT_OF_RANGE: 400,
    code_pb2.UNIMPLEMENTED: 501,
    code_pb2.INTERNAL: 500,
    code_pb2.UNAVAILABLE: 503,
    code_pb2.DATA_LOSS: 500,
    code_pb2.UNAUTHENTICATED: 401,
}

# What a call fails with when no server of ours answered: the text of the transport names addresses
# and says nothing that a caller could act on. (reason, message)
_TRANSPORT: Mapping[int, tuple[str, str]] = {
    code_pb2.UNAVAILABLE: (
        "SERVICE_UNREACHABLE",
        "the execution service cannot be reached; try again",
    ),
    code_pb2.DEADLINE_EXCEEDED: (
        "DEADLINE_EXCEEDED",
        "the deadline of this request passed before the execution service answered",
    ),
    code_pb2.CANCELLED: ("CALL_CANCELLED", "the call was cancelled before it was answered"),
}
_OPERATORS_CONCERN = frozenset(
    {code_pb2.UNAVAILABLE, code_pb2.INTERNAL, code_pb2.UNKNOWN, code_pb2.DATA_LOSS}
)
_MASKED = ("INTERNAL", "the execution service failed; its log says why")
_UNREACHABLE_RETRY_SECONDS = 1
_TOO_LARGE_MARK = "larger than max"


class HttpError(Exception):
    """An answer that is an error: its HTTP status, its ``google.rpc.Status``, its headers."""

    def __init__(
        self,
        http_status: int,
        status: status_pb2.Status,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take what will be sent."""
        super().__init__(status.message)
        self.http_status = http_status
        self.status = status
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Encode as JSON."""
        error = {
            "code": self.http_status,
            "status": code_pb2.Code.Name(self.status.code),
            "message": self.status.message,
            "details": [_detail(detail) for detail in self.status.details],
        }
        return orjson.dumps({"error": error})


def http_error(
    code: int,
    reason: str,
    message: str,
    *details: Message,
    http_status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpError:
    """Make an error of the gateway's own.

    Args:
        code: number of a ``google.rpc.Code``.
        reason: constant in UPPER_SNAKE_CASE for its ``ErrorInfo``.
        message: what was wrong, what was expected, what to do.
        details: more of them, beside the ``ErrorInfo``.
        http_status: where HTTP is more exact than the code (405, 408, 413, 415, 417, 431).
        headers: headers that the status demands.
    """
    status = status_pb2.Status(code=code, message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)
    for detail in (info, *details):
        status.details.add().Pack(detail)
    return HttpError(http_status or HTTP_STATUS[code], status, headers)


def invalid_fields(
    violations: Iterable[error_details_pb2.BadRequest.FieldViolation],
) -> HttpError:
    """Make the 400 that names every field which cannot be taken."""
    bad = error_details_pb2.BadRequest(field_violations=violations)
    message = "; ".join(f"{v.field}: {v.description}" for v in bad.field_violations)
    return http_error(code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", message, bad)


def from_rpc_error(error: grpc.aio.AioRpcError) -> HttpError:
    """Turn a failed call into the answer that says the same."""
    code, text = error.code().value[0], error.details() or ""
    status = _sent_status(error)
    if status is None or status.code != code:
        return _transport_error(code, text)
    return HttpError(HTTP_STATUS.get(code, 500), status, _retry_after(status))


def _sent_status(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _transport_error(code: int, text: str) -> HttpError:
    name = code_pb2.Code.Name(code)
    if code in _OPERATORS_CONCERN:
        _log.warning("the execution service did not answer", code=name, said=text)
    if code == code_pb2.RESOURCE_EXHAUSTED and _TOO_LARGE_MARK in text:
        # The server answers a size that it can still read; this is gRPC's own refusal above that.
        return http_error(
            code_pb2.INVALID_ARGUMENT,
            "REQUEST_TOO_LARGE",
            "the request is larger than the execution service takes; send less",
            http_status=413,
        )
    if code == code_pb2.UNAVAILABLE:
        wait = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=_UNREACHABLE_RETRY_SECONDS))
        headers = {"Retry-After": str(_UNREACHABLE_RETRY_SECONDS)}
        return http_error(code, *_TRANSPORT[code], wait, headers=headers)
    if code in _OPERATORS_CONCERN:
        return http_error(code, *_MASKED)
    return http_error(code, *_TRANSPORT.get(code, (name, text or name)))


def _retry_after(status: status_pb2.Status) -> dict[str, str]:
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        if _unpacked(detail, retry):
            # whole seconds, rounded up: a client that comes back early is refused again
            delay = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
            return {"Retry-After": str(max(1, math.ceil(delay)))}
    return {}


def _unpacked(detail: any_pb2.Any, message: Message) -> bool:
    try:
        return detail.Unpack(message)
    except DecodeError:
        return False


def _detail(detail: any_pb2.Any) -> dict[str, Any]:
    try:
        encoded: dict[str, Any] = json_format.MessageToDict(detail)
    except (TypeError, DecodeError):
        # a newer server may send a type that is not known here: its name is still worth having
        return {"@type": detail.type_url}
    return encoded
