"""The deadline of a call follows from the limits of the program."""

import threading
from typing import Any

import pytest
from code_executor import (
    ClientOptions,
    DeadlineExceededError,
    ExecuteRequest,
    ExecuteResponse,
    deadlines,
)

OPTIONS = ClientOptions(compile_allowance_seconds=20, queue_allowance_seconds=5)


def about(left: float, expected: float) -> bool:
    """What the server sees is a little less, and on the wire rounded up by 1 % at most."""
    return expected - 3 < left <= expected * 1.02


@pytest.mark.parametrize(
    ("timeout_seconds", "expected"),
    [
        (0, 30 + 25),  # the server's default
        (2.5, 2.5 + 25),
        (120, 120 + 25),
        # what the server refuses lives long enough to be refused
        (-1, 30 + 25),
        (float("nan"), 30 + 25),
        (float("inf"), 86_400 + 25),
        (1e300, 86_400 + 25),
    ],
)
def test_computed(timeout_seconds: float, expected: float) -> None:
    request = ExecuteRequest(timeout_seconds=timeout_seconds)
    assert deadlines.execute_seconds(request, OPTIONS) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 90),
        ({"timeout_seconds": 100}, 160),
        ({"timeout_seconds": 100, "rpc_timeout": 7}, 7),
        ({"timeout_seconds": 1e18}, 86_460),
    ],
)
async def test_the_server_sees_it(
    serve: Any, connect: Any, fields: dict[str, Any], expected: float
) -> None:
    server = serve()
    async with connect(server.address) as client:
        await client.execute(language="c", **fields)
    assert about(server.service.calls[0].seconds_left, expected)


@pytest.mark.parametrize("name", ["list_languages", "health"])
async def test_questions_have_ten_seconds(serve: Any, connect: Any, name: str) -> None:
    server = serve()
    async with connect(server.address) as client:
        await getattr(client, name)()
        await getattr(client, name)(rpc_timeout=100)
    first, second = (call.seconds_left for call in server.service.calls)
    assert about(first, 10)
    assert about(second, 100)


async def test_it_passes(serve: Any, connect: Any) -> None:
    release = threading.Event()

    def slow(_request: Any, _context: Any) -> Any:
        release.wait(10)
        return ExecuteResponse()

    async with connect(serve(slow).address) as client:
        with pytest.raises(DeadlineExceededError):
            await client.execute(language="c", rpc_timeout=0.2)
    release.set()


@pytest.mark.parametrize("rpc_timeout", [0, -1, float("nan"), float("inf")])
async def test_refuses_what_is_no_deadline(serve: Any, connect: Any, rpc_timeout: float) -> None:
    server = serve()
    async with connect(server.address) as client:
        with pytest.raises(ValueError, match=f"rpc_timeout is {rpc_timeout}; expected seconds"):
            await client.execute(language="c", rpc_timeout=rpc_timeout)
    assert server.service.calls == []
