"""More than can run at once: some wait, some are refused at once, all are answered."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import grpc
import pytest
from code_executor import Client, ClientOptions, UnavailableError
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub

from tests.contract.fronts import RestFront, open_fronts, refused_by_grpc
from tests.engine import Engine
from tests.service import Service, running

PLACES, QUEUE = 4, 16


@pytest.fixture(scope="module")
def small(engine: Engine) -> Iterator[Service]:
    flags = (f"-places={PLACES}", f"-queue-limit={QUEUE}", "-queue-seconds=2.5")
    with running(engine, *flags) as service:
        service.wait_until_ready("python")
        yield service


def sleeper(seconds: float) -> pb.ExecuteRequest:
    code = f"import time; time.sleep({seconds}); print('slept')"
    return pb.ExecuteRequest(language="python", code=code, timeout_seconds=60)


async def outcome(stub: Any, request: pb.ExecuteRequest) -> tuple[str, float]:
    """How a call ended, and after how many seconds."""
    began = time.monotonic()
    try:
        response = await stub.Execute(request, timeout=120)
    except grpc.aio.AioRpcError as error:
        refused = refused_by_grpc(error)
        assert refused.code == "UNAVAILABLE", refused
        assert refused.retry_seconds
        return refused.reason, time.monotonic() - began
    assert response.stdout == "slept\n"
    assert response.timings.queue_seconds >= 0
    return "ran", time.monotonic() - began


async def test_two_hundred_sleepers_are_answered_or_refused(small: Service) -> None:
    async with grpc.aio.insecure_channel(small.grpc_address) as channel:
        stub = CodeExecutorStub(channel)
        outcomes = await asyncio.gather(*(outcome(stub, sleeper(1)) for _ in range(200)))
    counts = collections.Counter(how for how, _ in outcomes)
    assert counts.keys() <= {"ran", "QUEUE_FULL", "QUEUE_TIMEOUT"}
    assert counts["ran"] >= PLACES
    assert counts["QUEUE_FULL"] >= 200 - PLACES - QUEUE - counts["ran"]
    slowest_refusal = max(seconds for how, seconds in outcomes if how == "QUEUE_FULL")
    assert slowest_refusal < 3
    waited_in_vain = [seconds for how, seconds in outcomes if how == "QUEUE_TIMEOUT"]
    assert all(2.4 < seconds < 6 for seconds in waited_in_vain)
    await assert_idle(small)


async def assert_idle(service: Service) -> None:
    """Every place is free again, and the next program runs."""
    assert service.metric("code_executor_running") == 0
    assert service.metric("code_executor_waiting") == 0
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        assert (await outcome(CodeExecutorStub(channel), sleeper(0)))[0] == "ran"


async def test_every_front_says_when_to_come_back(small: Service) -> None:
    async with (
        grpc.aio.insecure_channel(small.grpc_address) as channel,
        open_fronts(small.grpc_address, small.http_url) as fronts,
    ):
        stub, rest = CodeExecutorStub(channel), fronts["rest"]
        assert isinstance(rest, RestFront)
        filling = [asyncio.create_task(outcome(stub, sleeper(2))) for _ in range(PLACES + QUEUE)]
        await asyncio.to_thread(wait_until_waiting, small, QUEUE)
        status, body = await rest.post(b'{"language": "python", "code": "print(1)"}')
        with (
            Client(small.grpc_address, ClientOptions(max_attempts=1)) as client,
            pytest.raises(UnavailableError) as caught,
        ):
            await asyncio.to_thread(client.execute, language="python", code="print(1)")
        await asyncio.gather(*filling)
    assert status == 503
    assert b'"reason":"QUEUE_FULL"' in body
    assert b"RetryInfo" in body
    assert caught.value.reason == "QUEUE_FULL"
    assert 1 <= (caught.value.retry_after or 0) < 60


def wait_until_waiting(service: Service, count: int) -> None:
    deadline = time.monotonic() + 10
    while service.metric("code_executor_waiting") < count:
        assert time.monotonic() < deadline, "the queue did not fill"
        time.sleep(0.05)


async def test_callers_take_turns(small: Service) -> None:
    """A caller with many executions waiting delays another one by one place only."""
    elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with (
        grpc.aio.insecure_channel(small.grpc_address) as greedy,
        aiohttp.ClientSession(small.http_url, connector=elsewhere) as modest,
    ):
        stub = CodeExecutorStub(greedy)
        many = [asyncio.create_task(outcome(stub, sleeper(1))) for _ in range(PLACES + 8)]
        await asyncio.to_thread(wait_until_waiting, small, 8)
        body = {"language": "python", "code": "print('slept')"}
        async with modest.post("/api/v1/execute", json=body) as answer:
            timings = (await answer.json())["timings"]
        await asyncio.gather(*many)
    assert timings["queue_seconds"] < 1.7
