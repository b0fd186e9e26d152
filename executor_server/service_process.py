"""The process of the service: which fronts it serves, until it is told to stop."""

from __future__ import annotations

import asyncio
import resource
import secrets
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from executor_server.log import LogObserver
from executor_server.metrics import MetricsObserver
from executor_server.observer import Observers
from executor_server.server import AddressInUseError, ExecutorServer
from gateway.server import Gateway, GatewaySettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from executor_server.settings import Settings


async def run_service(settings: Settings) -> int:
    """Serve what the mode says until SIGTERM or SIGINT, then drain. Returns the exit code."""
    _allow_descriptors()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        if settings.mode == "http":
            await stack.enter_async_context(
                _gateway(
                    settings, settings.grpc_address, settings.gateway_token, CollectorRegistry()
                )
            )
        else:
            await _serve_grpc(settings, stack)
        await stopping.wait()
    return 0


def _allow_descriptors() -> None:
    """Raise the soft limit of open files to the hard one, unless that is none at all.

    A login shell's 1024 is there for programs that use select(2); a connection or a sandbox takes one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve_grpc(settings: Settings, stack: AsyncExitStack) -> None:
    metrics = MetricsObserver()
    token = settings.gateway_token or secrets.token_hex(32)
    server = ExecutorServer(settings, Observers(LogObserver(), metrics), token)
    await server.start()
    stack.push_async_callback(server.stop)
    address = f"{settings.host}:{server.port}"
    structlog.get_logger().info("listening", front="grpc", address=address)
    if settings.mode == "both":
        target = f"{_reachable(settings.host)}:{server.port}"
        await stack.enter_async_context(_gateway(settings, target, token, metrics.registry))
    elif settings.metrics_port:
        _serve_metrics(settings.metrics_port, metrics.registry, stack)
    # Last in, first out: whatever front an execution came by, it may end before the fronts close.
    stack.push_async_callback(server.drain)


def _serve_metrics(port: int, registry: CollectorRegistry, stack: AsyncExitStack) -> None:
    try:
        http, thread = start_http_server(port, "127.0.0.1", registry)
    except OSError as failure:
        raise AddressInUseError(
            f"cannot listen on 127.0.0.1:{port} for /metrics: {failure.strerror}; set another "
            "-metrics-port, or 0 for none"
        ) from failure
    stack.callback(thread.join)
    stack.callback(http.shutdown)


@asynccontextmanager
async def _gateway(
    settings: Settings, target: str, token: str, registry: CollectorRegistry
) -> AsyncIterator[None]:
    gateway = Gateway(
        GatewaySettings(
            host=settings.host,
            port=settings.http_port,
            max_body_bytes=settings.http_body_bytes_max,
            max_connections=settings.http_connections_max,
            response_timeout_seconds=settings.http_answer_seconds,
            grpc_target=target,
            caller_token=token or None,
        ),
        registry,
    )
    await gateway.start()
    address = f"{settings.host}:{gateway.port}"
    structlog.get_logger().info("listening", front="http", address=address)
    try:
        yield
    finally:
        await gateway.stop(settings.grace_seconds)


def _reachable(host: str) -> str:
    """An address of this machine for a server that listens on all of them."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
    return anywhere.get(host, f"[{host}]" if ":" in host else host)
