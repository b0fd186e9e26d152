"""What a call can raise: one class for each way in which the service can fail to answer.

A program that fails is no error: its exit code, signal or exceeded limit is in the result. The
classes follow the gRPC status code; what they know comes from the ``google.rpc`` details that the
server sends in ``grpc-status-details-bin``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

_Detail = TypeVar("_Detail", bound=Message)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that the server refused."""

    field: str
    """Name of the field in the request, ``files[0].path`` for one inside a list."""

    description: str
    """What was wrong, and what is allowed."""

    reason: str
    """The same for programs: upper case with underscores; may be empty."""


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """One quota of the caller that is used up."""

    subject: str
    """Whose quota it is."""

    description: str
    """Which quota, and how much it allows."""


class CodeExecutorError(Exception):
    """The service did not answer the call. Base of all errors that the service causes.

    >>> with Client("localhost:50051") as client:
    ...     try:
    ...         client.execute(language="klingon", code="nuqneH")
    ...     except CodeExecutorError as error:
    ...         error.code.name
    'INVALID_ARGUMENT'
    """

    def __init__(
        self, code: grpc.StatusCode, message: str, details: tuple[Message, ...] = ()
    ) -> None:
        super().__init__(code, message, details)
        self.code = code
        """The gRPC status code."""
        self.message = message
        """What went wrong, in words for people."""
        self.details = details
        """The server's ``google.rpc`` details as messages, ``ErrorInfo`` among them."""

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    @property
    def reason(self) -> str:
        """Cause for programs, upper case with underscores (``ErrorInfo.reason``).

        Empty where the error did not come from the service, a broken connection for one.
        """
        for info in self._details_of(error_details_pb2.ErrorInfo):
            return str(info.reason)
        return ""

    def _details_of(self, kind: type[_Detail]) -> Iterator[_Detail]:
        return (detail for detail in self.details if isinstance(detail, kind))


class _RetryableError(CodeExecutorError):
    """An error that can go away by itself."""

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before trying again; ``None`` where the server did not say."""
        for info in self._details_of(error_details_pb2.RetryInfo):
            return float(info.retry_delay.ToTimedelta().total_seconds())
        return None


class InvalidArgumentError(CodeExecutorError):
    """The request is wrong: a bad field, an unknown language or version, a limit out of range.

    >>> with Client("localhost:50051") as client:
    ...     try:
    ...         client.execute(language="python", code="print(1)", timeout_seconds=1e6)
    ...     except InvalidArgumentError as error:
    ...         [violation.field for violation in error.field_violations]
    ['timeout_seconds']
    """

    @property
    def field_violations(self) -> tuple[FieldViolation, ...]:
        """The fields that the server refused; empty where it could not name one."""
        return tuple(
            FieldViolation(found.field, found.description, found.reason)
            for detail in self._details_of(error_details_pb2.BadRequest)
            for found in detail.field_violations
        )

    def __str__(self) -> str:
        return _with_lines(
            super().__str__(),
            {found.field: found.description for found in self.field_violations},
        )


class UnavailableError(_RetryableError):
    """The service cannot run programs now, and started none: its queue is full, it is draining,
    its engine is away, the language's image is not ready; or no healthy server can be reached."""


class ResourceExhaustedError(_RetryableError):
    """The caller has used up its own quota or rate, or a message is larger than it may be."""

    @property
    def quota_violations(self) -> tuple[QuotaViolation, ...]:
        """The quotas that are used up; empty where it was something else."""
        return tuple(
            QuotaViolation(found.subject, found.description)
            for detail in self._details_of(error_details_pb2.QuotaFailure)
            for found in detail.violations
        )

    def __str__(self) -> str:
        return _with_lines(
            super().__str__(),
            {found.subject: found.description for found in self.quota_violations},
        )


class DeadlineExceededError(CodeExecutorError):
    """The call's deadline passed (``rpc_timeout``, or what the limits of the request give).

    A *program* that runs out of time is a result with status TIMEOUT instead.
    """


class UnauthenticatedError(CodeExecutorError):
    """No credentials, or wrong ones."""


class PermissionDeniedError(CodeExecutorError):
    """The credentials are right, and do not allow this call."""


class UnimplementedError(CodeExecutorError):
    """The server does not know this call; it is older than this client, or another service."""


class InternalError(CodeExecutorError):
    """Something broke inside the service. Its log has the cause, which the message does not."""


class CallCancelledError(CodeExecutorError):
    """The call was given up before its end, by closing the client or by the server."""


_CLASSES: dict[grpc.StatusCode, type[CodeExecutorError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.CANCELLED: CallCancelledError,
}


def from_rpc_error(error: Any) -> CodeExecutorError:
    """Return the typed error for what gRPC raised, from threads or from an event loop.

    ``error`` is a ``grpc.RpcError`` that knows the outcome of its call, as every one does that a
    call raises.
    """
    code: grpc.StatusCode = error.code()
    kind = _CLASSES.get(code, CodeExecutorError)
    return kind(code, error.details() or "", tuple(_details(error)))


def _details(error: Any) -> Iterator[Message]:
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        # The details contradict the status, so somebody between has changed one of them (a proxy
        # that masks messages does). The status is what gRPC acts on; the details are dropped.
        return
    if status is not None:
        yield from map(_unpacked, status.details)


def _unpacked(packed: AnyMessage) -> Message:
    name = packed.type_url.rpartition("/")[2]
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
        return message_factory.GetMessageClass(descriptor).FromString(packed.value)
    except (KeyError, DecodeError):
        # a kind of detail that this client is too old to know is still there to be looked at
        return packed


def _with_lines(summary: str, findings: dict[str, str]) -> str:
    """Add the findings that the summary does not tell already, one line each."""
    told = [f"  {key}: {text}" for key, text in findings.items() if text not in summary]
    return "\n".join([summary, *told])
