"""A gRPC server that speaks the real proto and answers as each test says, a gateway, a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
import pytest
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1 import executor_pb2_grpc
from google.rpc import status_pb2
from prometheus_client import CollectorRegistry

from gateway.errors import STATUS_DETAILS_KEY
from gateway.server import Gateway, GatewaySettings

Answer = Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]


@dataclass
class FakeService(executor_pb2_grpc.CodeExecutorServicer):
    """Echoes a program's code, unless a test gives another answer; keeps what reached it."""

    answer: Answer | None = None
    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    seconds_left: list[float | None] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def Execute(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._answer(request, context, pb.ExecuteResponse(stdout=request.code))

    async def ListLanguages(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._answer(request, context, pb.ListLanguagesResponse())

    async def Health(self, request: Any, context: Any) -> Any:  # noqa: N802
        healthy = pb.HealthResponse(status="healthy", version="1.0.0")
        return await self._answer(request, context, healthy)

    async def _answer(self, request: Any, context: Any, usual: Any) -> Any:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.seconds_left.append(context.time_remaining())
        try:
            return await self.answer(request, context) if self.answer else usual
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def fails_with(status: status_pb2.Status) -> Answer:
    """An answer that is an error with details, as the real server sends it."""

    async def answer(_request: Any, context: grpc.aio.ServicerContext) -> None:
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        details = ((STATUS_DETAILS_KEY, status.SerializeToString()),)
        await context.abort(code, status.message, details)

    return answer


@asynccontextmanager
async def serving(service: FakeService, **options: Any) -> AsyncIterator[FakeService]:
    server = grpc.aio.server(**options)
    executor_pb2_grpc.add_CodeExecutorServicer_to_server(service, server)
    service.port = server.add_insecure_port(f"127.0.0.1:{service.port}")
    await server.start()
    try:
        yield service
    finally:
        await server.stop(None)


@asynccontextmanager
async def gateway_to(
    target: str, registry: CollectorRegistry | None = None, **settings: Any
) -> AsyncIterator[Gateway]:
    gateway = Gateway(
        GatewaySettings(port=0, grpc_target=target, **settings), registry or CollectorRegistry()
    )
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop(0)


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with serving(FakeService()) as fake:
        yield fake


@pytest.fixture
async def gateway(service: FakeService) -> AsyncIterator[Gateway]:
    async with gateway_to(
        f"127.0.0.1:{service.port}",
        caller_token="secret-of-the-gateway",
        max_body_bytes=1024 * 1024,
    ) as started:
        yield started


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as session:
        yield session


async def raw_exchange(port: int, sent: bytes, seconds: float = 5) -> bytes:
    """Send bytes as they are and read until the gateway closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def reason_of(answer: dict[str, Any]) -> str:
    """The reason of the error's ErrorInfo, after a check of the shape that every error has."""
    error = answer["error"]
    assert set(answer) == {"error"}
    assert set(error) == {"code", "status", "message", "details"}
    assert error["message"]
    info = error["details"][0]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert info["domain"] == "code-executor"
    return str(info["reason"])
