"""Both clients: the same surface, safe to share, and clear about being closed."""

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from code_executor import AsyncClient, CallCancelledError, Client
from code_executor.v1.executor_pb2 import ExecuteResponse


def echo(request: Any, _context: Any) -> Any:
    return ExecuteResponse(status=ExecuteResponse.OK, stdout=request.code)


class Held:
    """An answer that waits until the test lets go."""

    def __init__(self) -> None:
        self.started, self.release = threading.Event(), threading.Event()

    def __call__(self, _request: Any, _context: Any) -> Any:
        self.started.set()
        self.release.wait(10)
        return ExecuteResponse()


@pytest.fixture
def held() -> Any:
    answer = Held()
    yield answer
    answer.release.set()


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_the_same_names() -> None:
    assert public(Client) == public(AsyncClient)


@pytest.mark.parametrize("name", ["__init__", *sorted(public(Client))])
def test_the_same_signatures(name: str) -> None:
    sync, aio = getattr(Client, name), getattr(AsyncClient, name)
    assert inspect.signature(sync) == inspect.signature(aio)
    assert inspect.iscoroutinefunction(aio) == (name != "__init__")
    assert not inspect.iscoroutinefunction(sync)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("name", sorted(public(Client) - {"close"}))
def test_every_call_has_an_example_and_its_errors(kind: type, name: str) -> None:
    text = inspect.getdoc(getattr(kind, name)) or ""
    for needed in (">>> ", "Args:", "Raises:", "seconds"):
        assert needed in text


async def test_the_three_calls(serve: Any, connect: Any) -> None:
    async with connect(serve(echo).address) as client:
        assert (await client.execute(language="python", code="print(1)")).stdout == "print(1)"
        assert (await client.list_languages()).languages[0].name == "python"
        assert (await client.health()).status == "healthy"


async def test_the_request_reaches_the_server_whole(serve: Any, connect: Any) -> None:
    server = serve()
    async with connect(server.address) as client:
        await client.execute(
            language="c", input=b"\xff", files={"a": "b"}, env={"K": "v"}, output_overflow="KILL"
        )
    request = server.service.calls[0].request
    assert (request.input_bytes, request.files[0].text) == (b"\xff", "b")
    assert (request.env["K"], request.output_overflow) == ("v", request.KILL)


def test_one_sync_client_serves_many_threads(serve: Any) -> None:
    with Client(serve(*[echo] * 400).address) as client, ThreadPoolExecutor(16) as threads:
        codes = [str(n) for n in range(400)]
        results = threads.map(lambda code: client.execute(language="c", code=code).stdout, codes)
        assert list(results) == codes


async def test_one_async_client_serves_many_tasks(serve: Any) -> None:
    codes = [str(n) for n in range(400)]
    async with AsyncClient(serve(*[echo] * 400).address) as client:
        results = await asyncio.gather(*(client.execute(language="c", code=c) for c in codes))
    assert [result.stdout for result in results] == codes


@pytest.mark.parametrize("name", ["execute", "list_languages", "health"])
async def test_a_closed_client_says_so(serve: Any, connect: Any, name: str) -> None:
    fields = {"language": "c"} if name == "execute" else {}
    async with connect(serve().address) as client:
        await getattr(client, name)(**fields)
        await client.close()
        await client.close()
        with pytest.raises(RuntimeError, match="this client is closed; make a new one"):
            await getattr(client, name)(**fields)


async def test_closed_before_the_first_call(connect: Any) -> None:
    async with connect("127.0.0.1:1") as client:
        await client.close()
        with pytest.raises(RuntimeError, match="closed"):
            await client.health()


async def test_closing_ends_calls_that_wait(serve: Any, connect: Any, held: Held) -> None:
    async with connect(serve(held).address) as client:
        call = asyncio.ensure_future(client.execute(language="c"))
        await asyncio.to_thread(held.started.wait, 10)
        await client.close()
        with pytest.raises(CallCancelledError):
            await call


async def test_a_cancelled_task_is_cancelled(serve: Any, held: Held) -> None:
    server = serve(held)
    async with AsyncClient(server.address) as client:
        call = asyncio.ensure_future(client.execute(language="c"))
        await asyncio.to_thread(held.started.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert call.cancelled()


async def test_a_task_cancelled_while_closing_is_cancelled(serve: Any, held: Held) -> None:
    async with AsyncClient(serve(held).address) as client:
        call = asyncio.ensure_future(client.execute(language="c"))
        await asyncio.to_thread(held.started.wait, 10)
        call.cancel()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await call


def test_an_async_client_can_be_made_outside_a_loop(serve: Any) -> None:
    client = AsyncClient(serve().address)

    async def use() -> str:
        async with client:
            return (await client.execute(language="c")).stdout

    assert asyncio.run(use()) == "ran\n"
