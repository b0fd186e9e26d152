"""The engine on TCP, and an engine that goes away and comes back while the service lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import grpc
import pytest
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.contract.fronts import RefusedError, refused_by_grpc
from tests.e2e.conftest import StartService
from tests.e2e.tcp_proxy import TcpProxy
from tests.service import Service

States = health_pb2.HealthCheckResponse
HELLO = pb.ExecuteRequest(language="python", code="print('hello')")


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    proxy = TcpProxy()
    yield proxy
    proxy.stop()


async def refused(call: Any) -> RefusedError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refused_by_grpc(caught.value)


async def until_state(channel: grpc.aio.Channel, wanted: int, seconds: float) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    async with asyncio.timeout(seconds):
        async for answer in watch:
            if answer.status == wanted:
                return


async def assert_unavailable(service: Service, stub: CodeExecutorStub) -> None:
    """Every way in says at once that it is the engine, and when to come back."""
    began = time.monotonic()
    for call in (stub.Execute(HELLO), stub.Health(pb.HealthRequest())):
        error = await refused(call)
        assert error.code == "UNAVAILABLE"
        assert "engine" in error.message
        assert error.retry_seconds
    body = {"language": "python", "code": "print(1)"}
    async with aiohttp.ClientSession(service.http_url) as session:
        async with session.post("/api/v1/execute", json=body) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) >= 1
        async with session.get("/health") as answer:
            assert answer.status == 503
    assert time.monotonic() - began < 5


def until_running(service: Service) -> None:
    deadline = time.monotonic() + 10
    while service.metric("code_executor_running") < 1:
        assert time.monotonic() < deadline, "the program did not start"
        time.sleep(0.05)


async def test_an_engine_on_tcp_that_goes_and_comes_back(
    proxy: TcpProxy, start_service: StartService
) -> None:
    service = start_service(environment={"DOCKER_HOST": proxy.give()})
    service.wait_until_ready("python")
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = CodeExecutorStub(channel)
        assert (await stub.Execute(HELLO)).stdout == "hello\n"
        proxy.take_away()
        await until_state(channel, States.NOT_SERVING, 15)
        await assert_unavailable(service, stub)
        proxy.give()
        await until_state(channel, States.SERVING, 10)
        for _ in range(3):
            assert (await stub.Execute(HELLO)).stdout == "hello\n"


async def test_an_engine_that_goes_during_an_execution(
    proxy: TcpProxy, start_service: StartService
) -> None:
    service = start_service(environment={"DOCKER_HOST": proxy.give()})
    service.wait_until_ready("python")
    sleep = pb.ExecuteRequest(language="python", code="import time; time.sleep(60)")
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = CodeExecutorStub(channel)
        call = stub.Execute(sleep)
        await asyncio.to_thread(until_running, service)
        await asyncio.sleep(1)
        proxy.take_away()
        error = await asyncio.wait_for(refused(call), 20)
        assert error.code in {"INTERNAL", "UNAVAILABLE"}
        assert "engine call" not in error.message, "what went wrong inside is for the log only"
        proxy.give()
        await until_state(channel, States.SERVING, 10)
        assert (await stub.Execute(HELLO)).stdout == "hello\n"


async def test_a_server_that_starts_before_its_engine(
    proxy: TcpProxy, start_service: StartService
) -> None:
    address = proxy.give()
    proxy.take_away()
    service = start_service(environment={"DOCKER_HOST": address})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = CodeExecutorStub(channel)
        service.wait_for(event="not serving", level="warning")
        await assert_unavailable(service, stub)
        proxy.give()
        await until_state(channel, States.SERVING, 40)
        assert (await stub.Execute(HELLO)).stdout == "hello\n"


async def test_a_socket_that_does_not_exist(start_service: StartService) -> None:
    service = start_service(environment={"DOCKER_HOST": "unix:///does/not/exist.sock"})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        await until_state(channel, States.NOT_SERVING, 10)
        error = await refused(CodeExecutorStub(channel).Execute(HELLO))
    assert error.code == "UNAVAILABLE"
    assert "/does/not/exist.sock" in service.wait_for(event="not serving")["reason"]
