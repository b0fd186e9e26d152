"""Large bodies: others are answered meanwhile, and what is refused is not read to its end."""

import asyncio
import threading

import pytest

from gateway import message_reader
from gateway.contract import load_contract
from gateway.errors import HttpError
from gateway.json_decoder import MAX_VIOLATIONS
from gateway.message_reader import MAX_INLINE_BYTES
from gateway.rules import Router, bind_rules
from gateway.transcoder import request_message
from tests.unit.gateway.conftest import gateway_to

EXECUTE = "/api/v1/execute"
JSON = {"Content-Type": "application/json"}
LARGE = b'{"code": "1"}'.ljust(MAX_INLINE_BYTES + 1)


class Held:
    """A reading of bodies that stops where the test says."""

    def __init__(self, monkeypatch):
        self.began, self.go_on = threading.Event(), threading.Event()
        self.count = 0
        monkeypatch.setattr(message_reader, "request_message", self._read)

    def _read(self, route, query, body):
        if len(body) > MAX_INLINE_BYTES:
            self.count += 1
            self.began.set()
            assert self.go_on.wait(10)
        return request_message(route, query, body)


async def post(http, body):
    async with http.post(EXECUTE, data=body, headers=JSON) as response:
        return response.status, await response.json()


async def test_others_are_answered_while_a_large_body_is_read(http, monkeypatch):
    held = Held(monkeypatch)
    large = asyncio.create_task(post(http, LARGE))
    try:
        assert await asyncio.to_thread(held.began.wait, 10)
        async with asyncio.timeout(5):
            assert (await post(http, b'{"code": "2"}'))[1]["stdout"] == "2"
        assert not large.done()
    finally:
        held.go_on.set()
    status, answer = await large
    assert (status, answer["stdout"]) == (200, "1")


async def test_an_error_in_a_large_body_is_the_same_400(http):
    status, answer = await post(http, b'{"nope": 1}'.ljust(MAX_INLINE_BYTES + 1))
    assert status == 400
    assert answer["error"]["message"].startswith("nope: ")


async def test_a_client_that_went_away_costs_no_reading(service, monkeypatch):
    held = Held(monkeypatch)
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % EXECUTE.encode()
    request = head + b"Content-Length: %d\r\n\r\n%s" % (len(LARGE), LARGE)
    async with gateway_to(f"127.0.0.1:{service.port}") as gateway:
        for number in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(request)
            assert await asyncio.to_thread(held.began.wait, 10), number
            await asyncio.sleep(0.05)
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        held.go_on.set()
    assert held.count == 1  # the one that was being read; the others were still to come
    assert service.requests == []


def test_reading_ends_at_the_last_violation_that_is_told():
    route = Router(bind_rules(load_contract())).find("POST", EXECUTE)
    values = b",".join([b"1"] * (MAX_VIOLATIONS + 1))
    with pytest.raises(HttpError) as caught:
        request_message(route, "", b'{"args": [' + values + b"]}")
    assert str(caught.value).count("expected a string") == MAX_VIOLATIONS
