"""A server that is killed outright: what it ran goes, what others run stays, and a new start is clean."""

from __future__ import annotations

import asyncio
import secrets
import time

import grpc
import pytest
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub

from tests.e2e.conftest import Execute, StartService
from tests.engine import SLEEP, Engine, sleep_mark
from tests.service import Service

HOUR = 3600


def labels(instance: str, boot: str, expires: float) -> dict[str, str]:
    return {
        "code-executor": instance,
        "code-executor.boot": boot,
        "code-executor.expires": str(int(expires)),
    }


async def test_killed_in_the_middle_of_executions(
    start_service: StartService, execute: Execute, service: Service, engine: Engine
) -> None:
    neighbour = asyncio.create_task(execute("python", "import time; time.sleep(6); print('mine')"))
    first = start_service("-pool-memory-mb=256")
    first.wait_until_ready("python")
    mark = sleep_mark(100)
    request = pb.ExecuteRequest(language="python", code=SLEEP, args=[mark], timeout_seconds=110)
    async with grpc.aio.insecure_channel(first.grpc_address) as channel:
        calls = [CodeExecutorStub(channel).Execute(request) for _ in range(3)]
        await asyncio.to_thread(
            engine.wait_until, lambda: engine.running(first.instance, mark), 20, "programs run"
        )
        first.kill()
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    # The agents see the end of their input and leave by themselves, without any server.
    await asyncio.to_thread(
        engine.wait_until, lambda: not engine.containers(first.instance), 5, "all are gone"
    )
    second = start_service(f"-instance={first.instance}")
    second.wait_until_ready("python")
    async with grpc.aio.insecure_channel(second.grpc_address) as channel:
        code = pb.ExecuteRequest(language="python", code="print('again')")
        assert (await CodeExecutorStub(channel).Execute(code)).stdout == "again\n"
    assert (await neighbour).stdout == "mine\n"
    assert service.lines(event="sandbox broke") == []


def test_a_new_start_removes_what_is_its_own_and_what_has_expired(
    start_service: StartService, engine: Engine, service: Service
) -> None:
    """Containers that ended by no event at all: made by hand, with the labels that a server gives."""
    image = image_of_a_sandbox(service)
    instance, later = f"test-{secrets.token_hex(4)}", time.time() + HOUR
    own = engine.start_foreign(image, labels(instance, "earlier", later))
    expired = engine.start_foreign(image, labels("somebody-dead", "x", time.time() - 1))
    foreign = engine.start_foreign(image, labels("somebody-alive", "x", later))
    try:
        started = start_service(f"-instance={instance}")
        started.wait_until_ready("python")
        engine.wait_until(lambda: own not in engine.containers(instance), 10, "own one is gone")
        engine.wait_until(
            lambda: expired not in engine.containers("somebody-dead"), 10, "expired one is gone"
        )
        assert engine.containers("somebody-alive") == [foreign]
        why = {line["container"]: line["why"] for line in started.lines(event="container reaped")}
        assert why[own[:12]] == "left by an earlier start"
        assert foreign[:12] not in why
    finally:
        engine.remove(own, expired, foreign)


def image_of_a_sandbox(service: Service) -> str:
    """An image of the service's in which the agent is."""
    with grpc.insecure_channel(service.grpc_address) as channel:
        known = CodeExecutorStub(channel).ListLanguages(pb.ListLanguagesRequest()).languages
    return next(language.versions[0].image for language in known if language.name == "python")


async def test_a_container_that_is_killed_from_outside(
    start_service: StartService, engine: Engine
) -> None:
    """Nobody's program is to blame: the caller gets an INTERNAL error, masked, and the rest goes on."""
    started = start_service("-pool-memory-mb=0")
    started.wait_until_ready("python")
    mark = sleep_mark(100)
    request = pb.ExecuteRequest(language="python", code=SLEEP, args=[mark], timeout_seconds=110)
    async with grpc.aio.insecure_channel(started.grpc_address) as channel:
        stub = CodeExecutorStub(channel)
        call = stub.Execute(request)
        await asyncio.to_thread(
            engine.wait_until, lambda: engine.running(started.instance, mark), 20, "it runs"
        )
        engine.kill(engine.running(started.instance, mark) or "")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        logged = started.wait_for(event="internal error")
        assert logged["id"] in (caught.value.details() or "")
        print_again = pb.ExecuteRequest(language="python", code="print('fine')")
        assert (await stub.Execute(print_again)).stdout == "fine\n"
