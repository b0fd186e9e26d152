"""The gateway as a server: settings, start, stop."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway.app import GatewayApp
from gateway.connections import ConnectionLimits, ConnectionServer
from gateway.contract import load_contract
from gateway.metrics import HttpMetrics
from gateway.openapi import openapi_document
from gateway.request_body import BodyLimits
from gateway.rules import Router, bind_rules
from gateway.upstream import Upstream

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
    max_connections: int = 1000
    """Further ones are refused with a 503."""
    response_timeout_seconds: float = 120.0
    """Time for a client to take a whole answer; it is closed past that."""


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
        metrics = HttpMetrics(self._registry)
        self._app = GatewayApp(
            Router(bindings),
            self._upstream,
            metrics,
            openapi_document(contract, bindings),
            BodyLimits(settings.max_body_bytes, settings.body_timeout_seconds),
        )
        self._runner = web.ServerRunner(
            ConnectionServer(self._app, _connection_limits(settings), metrics),
            shutdown_timeout=_CANCEL_SECONDS,
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


def _connection_limits(settings: GatewaySettings) -> ConnectionLimits:
    return ConnectionLimits(
        settings.max_connections,
        settings.idle_timeout_seconds,
        settings.response_timeout_seconds,
        settings.max_line_bytes,
    )
