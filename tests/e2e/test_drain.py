"""SIGTERM: not serving at once, what runs ends well, what comes is refused, nothing is left."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import aiohttp
import grpc
import pytest
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.contract.fronts import refused_by_grpc
from tests.e2e.conftest import StartService
from tests.service import Service

States = health_pb2.HealthCheckResponse
NAMES = ("", "code_executor.v1.CodeExecutor")


def program(seconds: float) -> pb.ExecuteRequest:
    code = f"import time; time.sleep({seconds}); print('done')"
    return pb.ExecuteRequest(language="python", code=code, timeout_seconds=60)


async def next_state(watch: Any, wanted: int) -> None:
    async with asyncio.timeout(10):
        async for answer in watch:
            if answer.status == wanted:
                return


async def until_running(service: Service, count: int) -> None:
    def runs() -> None:
        while service.metric("code_executor_running") != count:
            assert service.process.poll() is None

    await asyncio.wait_for(asyncio.to_thread(runs), 20)


async def test_drain(start_service: StartService) -> None:
    service = start_service("-grace-seconds=30", "-places=1")
    service.wait_until_ready("python")
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        health, stub = health_pb2_grpc.HealthStub(channel), CodeExecutorStub(channel)
        watches = [health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in NAMES]
        for watch in watches:
            await next_state(watch, States.SERVING)
        runs = stub.Execute(program(4))
        await until_running(service, 1)
        waits = stub.Execute(program(0))
        service.process.send_signal(signal.SIGTERM)
        for watch in watches:
            await next_state(watch, States.NOT_SERVING)
        await assert_refused(stub, waits)
        assert (await runs).stdout == "done\n"
    assert await asyncio.to_thread(service.wait) == 0


async def assert_refused(stub: Any, waits: Any) -> None:
    """What waited for a place, what comes now, and the Health call are all told to come back."""
    for call, reason in (
        (waits, "DRAINING"),
        (stub.Execute(program(0)), "DRAINING"),
        (stub.Health(pb.HealthRequest()), "NOT_SERVING"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        error = refused_by_grpc(caught.value)
        assert (error.code, error.reason) == ("UNAVAILABLE", reason)
        assert error.retry_seconds


async def test_rest_drains_too(start_service: StartService) -> None:
    service = start_service("-grace-seconds=30")
    service.wait_until_ready("python")
    async with aiohttp.ClientSession(service.http_url) as session:
        body = {"language": "python", "code": "import time; time.sleep(4); print('done')"}
        runs = asyncio.create_task(session.post("/api/v1/execute", json=body))
        await until_running(service, 1)
        service.process.send_signal(signal.SIGTERM)
        service.wait_for(event="not serving")
        async with session.get("/health") as answer:
            assert answer.status == 503
            assert "shutting down" in await answer.text()
        async with session.post("/api/v1/execute", json=body) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) >= 1
        async with await runs as answer:
            assert (await answer.json())["stdout"] == "done\n"
    assert await asyncio.to_thread(service.wait) == 0


async def test_the_grace_time_has_an_end(start_service: StartService) -> None:
    service = start_service("-grace-seconds=1")
    service.wait_until_ready("python")
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        runs = CodeExecutorStub(channel).Execute(program(50))
        await until_running(service, 1)
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await runs
    assert await asyncio.wait_for(asyncio.to_thread(service.wait), 20) == 0


async def test_sigint_is_the_same(start_service: StartService) -> None:
    service = start_service()
    service.wait_until_ready("python")
    service.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(service.wait) == 0
