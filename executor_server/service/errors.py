"""What goes wrong becomes a gRPC status with the details of google.rpc, the same for every front."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from executor_server.errors import (
    DeadlineError,
    EngineError,
    ImageLostError,
    InvalidRequestError,
    SandboxError,
    UnavailableError,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

DOMAIN = "code-executor"
_DETAILS_KEY = "grpc-status-details-bin"
_PUSHBACK_KEY = "grpc-retry-pushback-ms"
# Metadata is bounded by whoever is in between: 8 KiB is common, and base64 adds a third.
_DETAILS_BYTES = 4096 - 512
_MESSAGE_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class RpcError:
    """A failed call as it goes over the wire."""

    code: grpc.StatusCode
    reason: str
    message: str
    details: tuple[Message, ...] = ()
    retry_after_ms: int | None = None

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """The details, cut to what fits."""
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN)
        status = status_pb2.Status(code=self.code.value[0], message=self.short_message())
        for detail in (info, *self.details):
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        details = (_DETAILS_KEY, status.SerializeToString())
        if self.retry_after_ms is None:
            return (details,)
        # gRPC's own retries go by this key, and know nothing of RetryInfo.
        return (details, (_PUSHBACK_KEY, str(self.retry_after_ms)))

    def short_message(self) -> str:
        """The message, cut to what fits into a header."""
        text = self.message
        return text if len(text) <= _MESSAGE_CHARACTERS else text[: _MESSAGE_CHARACTERS - 3] + "..."


def invalid(error: InvalidRequestError) -> RpcError:
    """INVALID_ARGUMENT with as many field violations as fit."""
    details = error_details_pb2.BadRequest()
    for violation in error.violations:
        details.field_violations.add(
            field=violation.field, reason=violation.reason, description=violation.description
        )
        if details.ByteSize() > _DETAILS_BYTES - _MESSAGE_CHARACTERS * 4:
            del details.field_violations[-1]
            break
    return RpcError(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", str(error), (details,))


def malformed(reason: str, message: str) -> RpcError:
    """INVALID_ARGUMENT for bytes that are no message of the call, or too many."""
    return RpcError(grpc.StatusCode.INVALID_ARGUMENT, reason, message)


def unavailable(reason: str, message: str, retry_after_seconds: float) -> RpcError:
    """UNAVAILABLE with the time after which another attempt makes sense."""
    delay_ms = math.ceil(retry_after_seconds * 1000)
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(delay_ms)
    return RpcError(grpc.StatusCode.UNAVAILABLE, reason, message, (retry,), delay_ms)


def internal(error_id: str) -> RpcError:
    """INTERNAL without what went wrong: that is in the log, under the id."""
    return RpcError(
        grpc.StatusCode.INTERNAL,
        "SANDBOX_BROKEN",
        f"the service could not run the program; error {error_id} in its log",
    )


def of(error: Exception, error_id: str) -> RpcError:
    """The status of an error from the layers below."""
    match error:
        case InvalidRequestError():
            return invalid(error)
        case UnavailableError():
            return unavailable(error.reason, str(error), error.retry_after_seconds)
        case DeadlineError():
            return RpcError(grpc.StatusCode.DEADLINE_EXCEEDED, "QUEUE_TOO_LONG", str(error))
        case ImageLostError():
            return unavailable("IMAGE_LOST", "the engine lost the language's image", 5.0)
        case EngineError(status=0):
            return unavailable("ENGINE_UNREACHABLE", "the container engine does not answer", 2.0)
        case SandboxError() | EngineError():
            return internal(error_id)
        case _:
            return RpcError(
                grpc.StatusCode.INTERNAL, "BUG", f"unexpected failure {error_id}; see the log"
            )
