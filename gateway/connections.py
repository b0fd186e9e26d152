"""Connections below the application: how many there are, how slow they may be, what is no HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2

from gateway.app import GatewayApp
from gateway.errors import HttpError, http_error
from gateway.metrics import HttpMetrics
from gateway.responses import error_response, raw_response

_log = structlog.get_logger(__name__)

_BUSY_RETRY_SECONDS = 1
# A refused connection stays open so long that the refusal is read: closed at once over a request
# that nobody read, the system would reset it, and the client would lose the answer.
_REFUSAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may take."""

    max_connections: int
    idle_timeout_seconds: float
    response_timeout_seconds: float
    max_line_bytes: int


class ConnectionServer(web.Server):
    """Makes a protocol for each connection."""

    def __init__(self, app: GatewayApp, limits: ConnectionLimits, metrics: HttpMetrics) -> None:
        """Serve ``app`` within ``limits``."""
        super().__init__(app.handle, handler_cancellation=True)
        self.limits = limits
        self.metrics = metrics
        self.open: set[asyncio.Transport] = set()
        """Transports of the connections that are served."""
        self._options: dict[str, Any] = {
            "access_log": None,
            # a body that unpacks itself could be a thousand times larger than what was sent
            "auto_decompress": False,
            "keepalive_timeout": limits.idle_timeout_seconds,
            "max_field_size": limits.max_line_bytes,
            "max_line_size": limits.max_line_bytes,
        }

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of one connection."""
        return _Connection(self, self._options)


class _Connection(web.RequestHandler):
    """Bounds one connection, and gives the one error shape to what fails below the application."""

    __slots__ = ("_own_transport", "_server")

    def __init__(self, server: ConnectionServer, options: dict[str, Any]) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._server = server
        self._own_transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        if len(self._server.open) >= self._server.limits.max_connections:
            self._server.metrics.connections_refused.inc()
            refusal = _Refusal()
            transport.set_protocol(refusal)
            refusal.connection_made(transport)
            return
        self._own_transport = transport
        self._server.open.add(transport)
        self._server.metrics.connections.set(len(self._server.open))
        # An answer is written when the system has all of it, not when little enough is left here:
        # the rest would wait for a client that may never read, past every timeout.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._own_transport is not None:
            self._server.open.discard(self._own_transport)
            self._server.metrics.connections.set(len(self._server.open))
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, or give the connection up where the client does not take it."""
        seconds = self._server.limits.response_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            self._server.metrics.answers_not_taken.inc()
            if self._own_transport is not None:
                self._own_transport.abort()  # closing would wait for the client again
            return resp, True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what failed before or below the application."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, no error can follow it") from exc
        answer = error_response(_protocol_error(status, exc, message))
        answer.force_close()
        return answer


class _Refusal(asyncio.Protocol):
    """Says on a connection too many that it is one, whatever is asked there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        transport.write(raw_response(_busy()))
        transport.write_eof()
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(_REFUSAL_SECONDS, transport.abort)

    def connection_lost(self, _exc: BaseException | None) -> None:
        self._end.cancel()


def _busy() -> HttpError:
    wait = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=_BUSY_RETRY_SECONDS))
    return http_error(
        code_pb2.UNAVAILABLE,
        "TOO_MANY_CONNECTIONS",
        "the gateway has as many connections as it takes; try again, and use one connection for "
        "several requests",
        wait,
        headers={"Retry-After": str(_BUSY_RETRY_SECONDS)},
    )


def _protocol_error(status: int, exc: BaseException | None, message: str | None) -> HttpError:
    if status >= 500:
        _log.error("the gateway failed", exc_info=exc)
        return http_error(
            code_pb2.INTERNAL, "INTERNAL", "the gateway failed; its log says why", http_status=500
        )
    if isinstance(exc, LineTooLong):
        return http_error(
            code_pb2.INVALID_ARGUMENT,
            "HEADER_TOO_LARGE",
            f"the request line or a header is longer than {exc.args[1]} bytes",
            http_status=431,
        )
    said = (message or "").strip().partition("\n")[0].rstrip(":")
    return http_error(
        code_pb2.INVALID_ARGUMENT,
        "MALFORMED_HTTP",
        f"not a valid HTTP/1.1 request: {said}" if said else "not a valid HTTP/1.1 request",
    )
