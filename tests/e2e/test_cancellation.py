"""Callers that go away: the container is gone within two seconds, and the place is free."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator

import aiohttp
import grpc
import pytest
from code_executor import AsyncClient
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub

from tests.engine import SLEEP, Engine, sleep_mark
from tests.service import Service, running

GONE_SECONDS = 2.0
WAITING = "code_executor_waiting"
RUNNING = "code_executor_running"
STARTS = "code_executor_sandbox_start_seconds_count"
CLIENT = """
import sys
from code_executor import Client

with Client(sys.argv[1]) as client:
    client.execute(language="python", code=sys.argv[2], args=[sys.argv[3]], timeout_seconds=110)
"""


@pytest.fixture(scope="module")
def narrow(engine: Engine) -> Iterator[Service]:
    """A service with one place and without waiting sandboxes: each container is some program's."""
    with running(engine, "-places=1", "-pool-memory-mb=0", "-queue-limit=1") as service:
        service.wait_until_ready("python")
        yield service


@pytest.fixture
def mark() -> str:
    """An argument by which the container of a program is found."""
    return sleep_mark(100)


def request(mark: str) -> pb.ExecuteRequest:
    return pb.ExecuteRequest(language="python", code=SLEEP, args=[mark], timeout_seconds=110)


async def started(service: Service, engine: Engine, mark: str) -> None:
    """Wait for the program's container."""
    await until(engine, lambda: engine.running(service.instance, mark), 20, "the program runs")


async def until(engine: Engine, condition: Callable[[], object], seconds: float, what: str) -> None:
    await asyncio.to_thread(engine.wait_until, condition, seconds, what)


async def assert_gone(service: Service, engine: Engine) -> None:
    """No container is left, soon, and another program runs at once in the one place that there is."""
    await until(engine, lambda: not engine.containers(service.instance), GONE_SECONDS, "it is gone")
    assert service.metric(RUNNING) == 0
    async with AsyncClient(service.grpc_address) as client:
        assert (await client.execute(language="python", code="print('free')")).stdout == "free\n"


async def test_a_call_that_is_cancelled(narrow: Service, engine: Engine, mark: str) -> None:
    async with grpc.aio.insecure_channel(narrow.grpc_address) as channel:
        call = CodeExecutorStub(channel).Execute(request(mark))
        await started(narrow, engine, mark)
        call.cancel()
        await assert_gone(narrow, engine)
    narrow.wait_for(event="execution cancelled", level="info")


async def test_a_call_whose_deadline_passes(narrow: Service, engine: Engine, mark: str) -> None:
    async with grpc.aio.insecure_channel(narrow.grpc_address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await CodeExecutorStub(channel).Execute(request(mark), timeout=1.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await assert_gone(narrow, engine)


async def test_a_client_that_is_killed(narrow: Service, engine: Engine, mark: str) -> None:
    arguments = [sys.executable, "-c", CLIENT, narrow.grpc_address, SLEEP, mark]
    client = await asyncio.create_subprocess_exec(*arguments)
    try:
        await started(narrow, engine, mark)
    finally:
        client.kill()
        await client.wait()
    await assert_gone(narrow, engine)


async def test_an_sdk_task_that_is_cancelled(narrow: Service, engine: Engine, mark: str) -> None:
    async with AsyncClient(narrow.grpc_address) as client:
        running = client.execute(language="python", code=SLEEP, args=[mark], timeout_seconds=110)
        task = asyncio.create_task(running)
        await started(narrow, engine, mark)
        task.cancel()
        await assert_gone(narrow, engine)
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


async def test_an_http_client_that_hangs_up(narrow: Service, engine: Engine, mark: str) -> None:
    body = {"language": "python", "code": SLEEP, "args": [mark], "timeout_seconds": 110}

    async def post() -> None:
        async with aiohttp.request("POST", narrow.http_url + "/api/v1/execute", json=body):
            raise AssertionError("a program that sleeps was answered")

    task = asyncio.create_task(post())
    await started(narrow, engine, mark)
    task.cancel()
    await assert_gone(narrow, engine)


async def test_a_call_that_waits_in_the_queue(narrow: Service, engine: Engine, mark: str) -> None:
    async with grpc.aio.insecure_channel(narrow.grpc_address) as channel:
        stub = CodeExecutorStub(channel)
        first = stub.Execute(request(mark))
        await started(narrow, engine, mark)
        second = stub.Execute(request(sleep_mark(100)))
        await until(engine, lambda: narrow.metric(WAITING) == 1, 5, "it waits")
        second.cancel()
        await until(engine, lambda: narrow.metric(WAITING) == 0, 5, "it waits no more")
        assert len(engine.containers(narrow.instance)) == 1
        first.cancel()
        await assert_gone(narrow, engine)


async def test_a_deadline_that_passes_in_the_queue(
    narrow: Service, engine: Engine, mark: str
) -> None:
    async with grpc.aio.insecure_channel(narrow.grpc_address) as channel:
        stub = CodeExecutorStub(channel)
        first = stub.Execute(request(mark))
        await started(narrow, engine, mark)
        before = narrow.metric(STARTS)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Execute(request(mark), timeout=1)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert narrow.metric(STARTS) == before
        first.cancel()
        await assert_gone(narrow, engine)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
async def test_a_call_that_is_cancelled_at_any_moment(
    seconds: float, narrow: Service, engine: Engine, mark: str
) -> None:
    async with grpc.aio.insecure_channel(narrow.grpc_address) as channel:
        call = CodeExecutorStub(channel).Execute(request(mark))
        await asyncio.sleep(seconds)
        call.cancel()
        await asyncio.sleep(0.3)
        await assert_gone(narrow, engine)
