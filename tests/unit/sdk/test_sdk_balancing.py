"""Programs go round the servers that are SERVING; questions go to any."""

import asyncio
import time
from collections import Counter
from typing import Any

import grpc
import pytest
from code_executor import ClientOptions, UnavailableError

ONCE = ClientOptions(max_attempts=1)


def target(*servers: Any) -> str:
    return "ipv4:" + ",".join(server.address for server in servers)


def counts(*servers: Any) -> list[int]:
    return [len(server.service.calls) for server in servers]


async def run(client: Any, times: int) -> None:
    for _ in range(times):
        await client.execute(language="c")


async def until_used(client: Any, server: Any, seconds: float = 10) -> None:
    """Run programs until the server has had one: it takes a moment to connect."""
    give_up = time.monotonic() + seconds
    while not server.service.calls and time.monotonic() < give_up:
        await run(client, 1)
    assert server.service.calls, f"no call in {seconds} s"


async def test_calls_are_spread(serve: Any, connect: Any) -> None:
    one, two = serve(), serve()
    async with connect(target(one, two)) as client:
        await until_used(client, one)
        await until_used(client, two)
        before = Counter(dict(enumerate(counts(one, two))))
        await run(client, 10)
    assert Counter(dict(enumerate(counts(one, two)))) - before == {0: 5, 1: 5}


async def test_a_server_that_is_not_serving_gets_nothing(serve: Any, connect: Any) -> None:
    sick, well = serve(), serve()
    sick.set_serving(False)
    async with connect(target(sick, well)) as client:
        await run(client, 12)
    assert counts(sick, well) == [0, 12]


async def test_a_server_leaves_and_comes_back(serve: Any, connect: Any) -> None:
    one, two = serve(), serve()
    async with connect(target(one, two)) as client:
        await until_used(client, one)
        one.set_serving(False)
        await asyncio.sleep(0.5)
        had = counts(one)
        await run(client, 10)
        assert counts(one) == had

        one.set_serving(True)
        one.service.calls.clear()
        await until_used(client, one)


async def test_no_server_is_serving(serve: Any, connect: Any) -> None:
    server = serve()
    server.set_serving(False)
    async with connect(server.address, ONCE) as client:
        with pytest.raises(UnavailableError, match="unhealthy"):
            await client.execute(language="c")
    assert counts(server) == [0]


async def test_a_sick_server_can_still_say_why(serve: Any, connect: Any, refuse: Any) -> None:
    server = serve(refuse(grpc.StatusCode.UNAVAILABLE, "the engine does not answer"))
    server.set_serving(False)
    async with connect(server.address, ONCE) as client:
        with pytest.raises(UnavailableError, match="the engine does not answer"):
            await client.health()
        assert (await client.list_languages()).languages[0].name == "python"
