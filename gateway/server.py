"""The gateway as a server: settings, start, stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from google.rpc import code_pb2
from prometheus_client import CollectorRegistry

from gateway.app import GatewayApp
from gateway.contract import load_contract
from gateway.errors import HttpError, http_error
from gateway.metrics import HttpMetrics
from gateway.openapi import openapi_document
from gateway.request_body import BodyLimits
from gateway.responses import error_response
from gateway.rules import Router, bind_rules
from gateway.upstream import Upstream

_log = structlog.get_logger(__name__)

# After the grace time: what is cancelled then has this long to let go.
_CANCEL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """How the gateway listens, what it takes, and whose client it is. It speaks no TLS itself."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 asks the system for a free one."""
    grpc_target: str = "127.0.0.1:50051"
    """gRPC name of the execution service, ``127.0.0.1:50051`` or ``unix:/run/x.sock`` say."""
    caller_token: str | None = None
    """Shared with the execution service, which by it believes what this gateway says of callers."""
    max_body_bytes: int = 32 * 1024 * 1024
    body_timeout_seconds: float = 60.0
    """Time for a whole body to arrive."""
    idle_timeout_seconds: float = 75.0
    """Time for a request's headers to arrive, on a new connection or after the last answer."""
    max_line_bytes: int = 8190
    """Longest request line, and longest header."""


class Gateway:
    """REST over the gRPC service at ``settings.grpc_target``."""

    def __init__(self, settings: GatewaySettings, registry: CollectorRegistry) -> None:
        """Take settings, and the registry that ``/metrics`` shows and HTTP figures go into."""
        self._settings = settings
        self._registry = registry
        self._site: web.TCPSite | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, the real one where 0 was asked for.

        Raises:
            RuntimeError: the gateway is not started.
        """
        if self._site is None:
            raise RuntimeError("the gateway is not started")
        return self._site.port

    async def start(self) -> None:
        """Listen. The execution service need not be there yet.

        Raises:
            OSError: the address cannot be had.
            ValueError: the HTTP rules do not fit the proto.
        """
        settings, contract = self._settings, load_contract()
        bindings = bind_rules(contract)
        self._upstream = Upstream(settings.grpc_target, settings.caller_token)
        self._app = GatewayApp(
            Router(bindings),
            self._upstream,
            HttpMetrics(self._registry),
            openapi_document(contract, bindings),
            BodyLimits(settings.max_body_bytes, settings.body_timeout_seconds),
        )
        self._runner = web.ServerRunner(
            _JsonServer(self._app, settings), shutdown_timeout=_CANCEL_SECONDS
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError:
            await self._close()
            raise
        self._site = site

    async def stop(self, grace: float) -> None:
        """Take no new connection, let requests end within ``grace`` seconds, cancel the rest."""
        if self._site is None:
            return
        await self._site.stop()
        self._site = None
        await self._app.drain(grace)
        await self._close()

    async def _close(self) -> None:
        await self._runner.cleanup()
        self._app.close()
        await self._upstream.close()


class _JsonServer(web.Server):
    """Makes a protocol for each connection."""

    def __init__(self, app: GatewayApp, settings: GatewaySettings) -> None:
        super().__init__(app.handle, handler_cancellation=True)
        self._options: dict[str, Any] = {
            "access_log": None,
            # a body that unpacks itself could be a thousand times larger than what was sent
            "auto_decompress": False,
            "keepalive_timeout": settings.idle_timeout_seconds,
            "max_field_size": settings.max_line_bytes,
            "max_line_size": settings.max_line_bytes,
        }

    def __call__(self) -> web.RequestHandler:
        return _JsonRequestHandler(self, loop=asyncio.get_running_loop(), **self._options)


class _JsonRequestHandler(web.RequestHandler):
    """Gives the one error shape to what fails before or below the application."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, no error can follow it") from exc
        answer = error_response(_protocol_error(status, exc, message))
        answer.force_close()
        return answer


def _protocol_error(status: int, exc: BaseException | None, message: str | None) -> HttpError:
    if status >= 500:
        _log.error("the gateway failed", exc_info=exc)
        return http_error(
            code_pb2.INTERNAL, "INTERNAL", "the gateway failed; its log says why", http_status=500
        )
    too_long = isinstance(exc, LineTooLong)
    said = (message or "").strip().partition("\n")[0].rstrip(":")
    return http_error(
        code_pb2.INVALID_ARGUMENT,
        "HEADER_TOO_LARGE" if too_long else "MALFORMED_HTTP",
        f"not a valid HTTP request: {said}" if said else "not a valid HTTP request",
        http_status=431 if too_long else 400,
    )
