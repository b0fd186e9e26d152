"""The gRPC side: one channel to the execution service, one place where a call is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.errors import from_rpc_error, http_error
from gateway.rules import Binding

CALLER_KEY = "code-executor-caller"
GATEWAY_TOKEN_KEY = "code-executor-gateway-token"  # noqa: S105 - the name of a key, no secret
TIMEOUT_HEADER = "Grpc-Timeout"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
# gRPC over HTTP/2: at most eight digits and a unit
_TIMEOUT = re.compile(r"(?P<amount>[0-9]{1,8})(?P<unit>[HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
# three years: gRPC counts nanoseconds in 63 bits, and a deadline past their end has passed already
_LONGEST_SECONDS = 1e8

_CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    # above the largest response that the service makes, so that nothing is lost on the way
    ("grpc.max_receive_message_length", 65 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),  # the server's own limit answers, with a typed error
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # gRPC's default waits up to two minutes before it looks again for a server that was away
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # a proxy of the environment is for the outside world
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class CallContext:
    """What goes along with one call."""

    caller: str
    """Address of the HTTP client; empty where it has none (a Unix socket)."""
    timeout_seconds: float | None
    """The client's deadline; None leaves it to the server, which bounds every call."""
    traceparent: str = ""


class Upstream:
    """A client of the gRPC service like any other."""

    def __init__(self, target: str, gateway_token: str | None) -> None:
        """Open a channel; it connects when the first call is made.

        Args:
            target: gRPC name of the server, for example ``127.0.0.1:50051`` or ``unix:/run/x``.
            gateway_token: by it the server believes who this gateway says the caller is.
        """
        self._token = gateway_token
        self._channel = grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)

    async def close(self) -> None:
        """Cancel calls that run and close the channel."""
        await self._channel.close()

    async def unary(self, binding: Binding, request: Message, context: CallContext) -> Message:
        """Make one unary call. Cancelling the awaiting task cancels the call.

        Raises:
            HttpError: the call failed; the error says the same in HTTP.
        """
        method = binding.method
        call = self._channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=binding.request_class.SerializeToString,
            response_deserializer=binding.response_class.FromString,
        )
        try:
            response: Message = await call(
                request, timeout=context.timeout_seconds, metadata=self._metadata(context)
            )
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        return response

    def _metadata(self, context: CallContext) -> tuple[tuple[str, str], ...]:
        pairs = (
            (CALLER_KEY, context.caller),
            (GATEWAY_TOKEN_KEY, self._token or ""),
            ("traceparent", context.traceparent),
        )
        return tuple(pair for pair in pairs if pair[1])


def call_context(caller: str, headers: Mapping[str, str]) -> CallContext:
    """Read what a request's headers say about its call; who asks is the peer, whatever they say.

    Raises:
        HttpError: 400 for a ``Grpc-Timeout`` that is none.
    """
    trace = headers.get("traceparent", "")
    return CallContext(
        caller=caller,
        timeout_seconds=_timeout(headers.get(TIMEOUT_HEADER)),
        traceparent=trace if _TRACEPARENT.fullmatch(trace) else "",
    )


def _timeout(text: str | None) -> float | None:
    if text is None:
        return None
    parts = _TIMEOUT.fullmatch(text)
    if parts is None:
        raise http_error(
            code_pb2.INVALID_ARGUMENT,
            "INVALID_TIMEOUT",
            f"the header {TIMEOUT_HEADER} must be up to eight digits and one of the units H, M, S, "
            "m (milliseconds), u, n; for example 30S",
        )
    return min(int(parts["amount"]) * _SECONDS[parts["unit"]], _LONGEST_SECONDS)
