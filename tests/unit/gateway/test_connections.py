"""Bounds on connections, on real sockets and on both event loops: asyncio's own and the service's."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
import uvloop
from code_executor.v1 import executor_pb2 as pb
from prometheus_client import CollectorRegistry

from tests.unit.gateway.conftest import FakeService, gateway_to, reason_of, serving

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
EXECUTE = (
    b"POST /api/v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)
NAME = "code_executor_http"
ANSWER_BYTES = 16 * 1024 * 1024
ASYNCIO_LOW_BYTES = 16 * 1024

on_both_loops = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


def run(loop, scenario):
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario(), 30))


@asynccontextmanager
async def gateway_with(service=None, **settings):
    """A gateway of these settings in front of a service, and its figures."""
    registry = CollectorRegistry()
    async with (
        serving(service or FakeService()) as fake,
        gateway_to(f"127.0.0.1:{fake.port}", registry, **settings) as gateway,
    ):
        try:
            yield gateway, lambda name: registry.get_sample_value(f"{NAME}_{name}")
        finally:
            Client.close_all()  # of a test that fails, too


class Client:
    """One connection, of which what comes is read only where the test says so."""

    _all: ClassVar[list["Client"]] = []

    def __init__(self, gateway, held_bytes=4096):
        """``held_bytes``: what the system takes for a client that reads nothing."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, held_bytes)
        self._socket.setblocking(False)
        self._port = gateway.port
        self._all.append(self)

    async def connect(self):
        await asyncio.get_running_loop().sock_connect(self._socket, ("127.0.0.1", self._port))
        return self

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def receive(self, most=65_536):
        return await asyncio.get_running_loop().sock_recv(self._socket, most)

    async def rest(self):
        parts = []
        while part := await self.receive():
            parts.append(part)
        return b"".join(parts)

    async def status(self):
        """Of the next answer, which must come in one piece."""
        return int((await self.receive()).split()[1])

    def close(self):
        self._socket.close()

    @classmethod
    def close_all(cls):
        while cls._all:
            cls._all.pop().close()


async def eventually(condition):
    while not condition():  # noqa: ASYNC110 - what is waited for are figures, which tell nobody
        await asyncio.sleep(0.01)


@on_both_loops
def test_a_connection_too_many_is_refused_and_the_others_go_on(loop):
    async def scenario():
        async with gateway_with(max_connections=2) as (gateway, figure):
            first, second, third = [await Client(gateway).connect() for _ in range(3)]
            await third.send(HEALTH)
            head, body = (await third.rest()).split(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert {b"Retry-After: 1", b"Connection: close"} <= set(head.split(b"\r\n"))
            assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
            assert reason_of(json.loads(body)) == "TOO_MANY_CONNECTIONS"
            for client in (first, second):
                await client.send(HEALTH)
                assert await client.status() == 200
            assert (figure("connections"), figure("connections_refused_total")) == (2, 1)
            for client in (first, second, third):
                client.close()
            await eventually(lambda: figure("connections") == 0)

    run(loop, scenario)


@on_both_loops
def test_who_comes_when_another_has_left_is_served(loop):
    async def scenario():
        async with gateway_with(max_connections=1) as (gateway, figure):
            for _ in range(3):
                client = await Client(gateway).connect()
                await client.send(HEALTH)
                assert await client.status() == 200
                client.close()
                await eventually(lambda: figure("connections") == 0)
            assert figure("connections_refused_total") == 0

    run(loop, scenario)


@on_both_loops
def test_a_refused_connection_does_not_stay(loop):
    async def scenario():
        async with gateway_with(max_connections=1) as (gateway, _figure):
            _kept, refused = [await Client(gateway).connect() for _ in range(2)]
            assert await refused.status() == 503
            assert await refused.receive() == b""
            with pytest.raises(ConnectionError):  # noqa: PT012 - which of the sends is told is open
                while True:  # the client holds on, the gateway does not
                    await refused.send(b"x")
                    await asyncio.sleep(0.05)

    run(loop, scenario)


def large_answer(size=ANSWER_BYTES):
    async def answer(request, _context):
        if isinstance(request, pb.HealthRequest):
            return pb.HealthResponse(status="healthy")
        return pb.ExecuteResponse(stdout="x" * size)

    return FakeService(answer=answer)


@on_both_loops
def test_a_client_that_takes_no_answer_is_given_up(loop):
    async def scenario():
        settings = {"response_timeout_seconds": 0.3}
        async with gateway_with(large_answer(), **settings) as (gateway, figure):
            client = await Client(gateway).connect()
            await client.send(EXECUTE)
            await eventually(lambda: figure("answers_not_taken_total") == 1)
            await eventually(lambda: figure("connections") == 0)
            assert len(await client.rest()) < ANSWER_BYTES

    run(loop, scenario)


@on_both_loops
def test_the_last_bytes_are_waited_for_too(loop):
    """So little is left to write that asyncio calls it written, and the client takes none of it."""

    async def scenario():
        service = large_answer(200_000)
        async with gateway_with(service, response_timeout_seconds=1) as (gateway, figure):
            client = await Client(gateway).connect()
            await eventually(lambda: figure("connections") == 1)
            [transport] = gateway._runner.server.open
            sending = transport.get_extra_info("socket")
            sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            await client.send(EXECUTE)
            await eventually(transport.get_write_buffer_size)
            while transport.get_write_buffer_size() > ASYNCIO_LOW_BYTES:
                await client.receive(1024)
            assert transport.get_write_buffer_size() > 0
            await eventually(lambda: figure("answers_not_taken_total") == 1)
            await eventually(lambda: figure("connections") == 0)

    run(loop, scenario)


@on_both_loops
def test_stop_lets_an_answer_be_taken(loop):
    async def scenario():
        async with gateway_with(large_answer()) as (gateway, _figure):
            client = await Client(gateway, held_bytes=65_536).connect()
            await client.send(EXECUTE)
            taken = len(await client.receive())
            stopping = asyncio.create_task(gateway.stop(20))
            await asyncio.sleep(1.5)  # longer than what is cancelled has
            assert not stopping.done()
            taken += len(await client.rest())
            assert taken > ANSWER_BYTES
            await stopping

    run(loop, scenario)


@on_both_loops
def test_a_client_that_takes_its_answer_slowly_gets_all_of_it(loop):
    async def scenario():
        async with gateway_with(large_answer()) as (gateway, figure):
            client = await Client(gateway, held_bytes=65_536).connect()
            await client.send(EXECUTE)
            taken = 0
            while taken < ANSWER_BYTES:
                taken += len(await client.receive())
                if taken % 64 == 0:
                    await asyncio.sleep(0.001)
            await client.send(HEALTH)
            while b"healthy" not in (part := await client.receive()):
                assert part, "closed after the answer"
            assert figure("answers_not_taken_total") == 0

    run(loop, scenario)
