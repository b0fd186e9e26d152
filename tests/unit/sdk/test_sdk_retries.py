"""What is tried again: calls that the server refused before a program started, nothing else."""

import asyncio
import threading
import time
from typing import Any

import grpc
import pytest
from code_executor import ClientOptions, CodeExecutorError, UnavailableError

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
CALLS = [
    ("execute", {"language": "c"}, "Execute"),
    ("list_languages", {}, "ListLanguages"),
    ("health", {}, "Health"),
]


@pytest.mark.parametrize(("name", "fields", "method"), CALLS)
async def test_refused_twice_then_answered(
    serve: Any, connect: Any, refuse: Any, name: str, fields: Any, method: str
) -> None:
    server = serve(refuse(UNAVAILABLE), refuse(UNAVAILABLE))
    async with connect(server.address) as client:
        await getattr(client, name)(**fields)
    assert [call.method for call in server.service.calls] == [method] * 3


async def test_gives_up_after_max_attempts(serve: Any, connect: Any, refuse: Any) -> None:
    server = serve(*[refuse(UNAVAILABLE, "queue full")] * 5)
    async with connect(server.address, ClientOptions(max_attempts=2)) as client:
        with pytest.raises(UnavailableError, match="queue full"):
            await client.execute(language="c")
    assert len(server.service.calls) == 2


async def test_one_attempt_means_no_repetition(serve: Any, connect: Any, refuse: Any) -> None:
    server = serve(refuse(UNAVAILABLE))
    async with connect(server.address, ClientOptions(max_attempts=1)) as client:
        with pytest.raises(UnavailableError):
            await client.execute(language="c")
    assert len(server.service.calls) == 1


@pytest.mark.parametrize(
    "code",
    [c for c in grpc.StatusCode if c not in (grpc.StatusCode.OK, UNAVAILABLE)],
    ids=lambda code: code.name,
)
async def test_no_other_status_is_tried_again(
    serve: Any, connect: Any, refuse: Any, code: grpc.StatusCode
) -> None:
    server = serve(refuse(code))
    async with connect(server.address) as client:
        with pytest.raises(CodeExecutorError):
            await client.execute(language="c")
    assert len(server.service.calls) == 1


async def test_the_server_says_when_to_come_back(serve: Any, connect: Any, refuse: Any) -> None:
    server = serve(refuse(UNAVAILABLE, trailing=(("grpc-retry-pushback-ms", "700"),)))
    begin = time.monotonic()
    async with connect(server.address) as client:
        await client.execute(language="c")
    # the client's own first backoff is about 0.1 s
    assert 0.7 <= time.monotonic() - begin < 5
    assert len(server.service.calls) == 2


async def test_the_server_can_forbid_to_come_back(serve: Any, connect: Any, refuse: Any) -> None:
    server = serve(refuse(UNAVAILABLE, trailing=(("grpc-retry-pushback-ms", "-1"),)))
    async with connect(server.address) as client:
        with pytest.raises(UnavailableError):
            await client.execute(language="c")
    assert len(server.service.calls) == 1


async def test_a_started_program_is_never_run_again(serve: Any, connect: Any) -> None:
    """The server dies in the middle of a run; a second, healthy one must not get the program."""
    running, release = threading.Event(), threading.Event()

    def run(_request: Any, context: grpc.ServicerContext) -> Any:
        context.send_initial_metadata(())
        running.set()
        release.wait(10)
        raise AssertionError("the connection is gone by now")

    servers = [serve(run), serve(run)]
    target = "ipv4:" + ",".join(server.address for server in servers)
    async with connect(target) as client:
        call = asyncio.ensure_future(client.execute(language="c"))
        await asyncio.to_thread(running.wait, 10)
        [busy] = [server for server in servers if server.service.calls]
        busy.grpc_server.stop(grace=None)
        with pytest.raises(UnavailableError):
            await call
    release.set()
    assert sum(len(server.service.calls) for server in servers) == 1


async def test_a_program_that_has_not_started_moves_on(serve: Any, connect: Any) -> None:
    """The server dies while the call waits in its queue: another one takes it."""
    queued, release = threading.Event(), threading.Event()

    def queue(_request: Any, _context: grpc.ServicerContext) -> Any:
        queued.set()
        release.wait(10)
        raise AssertionError("the connection is gone by now")

    dying = serve(queue)
    async with connect(f"ipv4:{dying.address},{serve().address}") as client:
        calls = [asyncio.ensure_future(client.execute(language="c")) for _ in range(2)]
        await asyncio.to_thread(queued.wait, 10)
        dying.grpc_server.stop(grace=None)
        results = await asyncio.gather(*calls)
    release.set()
    assert [result.stdout for result in results] == ["ran\n"] * 2
