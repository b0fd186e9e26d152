"""The gateway as a server: start, stop, drain, idle connections, figures."""

import asyncio
import socket

import aiohttp
import pytest
from code_executor.v1 import executor_pb2 as pb
from prometheus_client import CollectorRegistry, Gauge

from gateway.metrics import HttpMetrics
from gateway.server import Gateway, GatewaySettings
from tests.unit.gateway.conftest import gateway_to, raw_exchange

EXECUTE = "/api/v1/execute"


def settings_of(port):
    return GatewaySettings(port=port, grpc_target="127.0.0.1:1")


async def test_the_port_is_the_real_one():
    gateway = Gateway(settings_of(0), CollectorRegistry())
    with pytest.raises(RuntimeError, match="not started"):
        _ = gateway.port
    await gateway.start()
    assert gateway.port > 0
    await gateway.stop(0)
    with pytest.raises(RuntimeError, match="not started"):
        _ = gateway.port
    await gateway.stop(0)  # a second time is no harm


async def test_a_taken_port_is_an_error_and_leaves_nothing():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gateway = Gateway(settings_of(taken.getsockname()[1]), CollectorRegistry())
        with pytest.raises(OSError, match="in use"):
            await gateway.start()


class Slow:
    """An answer that comes when the test says so."""

    def __init__(self, service):
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()
        service.answer = self._answer

    async def _answer(self, _request, _context):
        self.started.set()
        await self.go_on.wait()
        return pb.ExecuteResponse(stdout="late")


async def test_stop_lets_requests_end_and_takes_no_new_ones(service):
    slow = Slow(service)
    gateway = Gateway(
        GatewaySettings(port=0, grpc_target=f"127.0.0.1:{service.port}"), CollectorRegistry()
    )
    await gateway.start()
    port = gateway.port
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        running = asyncio.create_task(_posted(http))
        await slow.started.wait()
        stopping = asyncio.create_task(gateway.stop(10))
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert not stopping.done()
        slow.go_on.set()
        status, body, connection = await running
        assert (status, body["stdout"], connection) == (200, "late", "close")
        await asyncio.wait_for(stopping, 5)


async def _posted(http):
    async with http.post(EXECUTE, json={}) as response:
        return response.status, await response.json(), response.headers.get("Connection")


async def test_stop_cancels_what_outlasts_the_grace(service):
    slow = Slow(service)
    gateway = Gateway(
        GatewaySettings(port=0, grpc_target=f"127.0.0.1:{service.port}"), CollectorRegistry()
    )
    await gateway.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http:
        running = asyncio.create_task(_posted(http))
        await slow.started.wait()
        await asyncio.wait_for(gateway.stop(0.05), 5)
        with pytest.raises(aiohttp.ClientConnectionError):
            await running
    await asyncio.wait_for(service.cancelled.wait(), 5)


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nX-Slow: "])
async def test_a_connection_that_sends_no_whole_head_is_closed(service, sent):
    target = f"127.0.0.1:{service.port}"
    async with gateway_to(target, idle_timeout_seconds=0.3) as gateway:
        assert await raw_exchange(gateway.port, sent) == b""


async def test_a_connection_is_kept_for_the_next_request(gateway):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    for _ in range(2):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(38)
    writer.close()
    await writer.wait_closed()


async def test_requests_are_counted_by_template_not_by_path(service):
    registry = CollectorRegistry()
    Gauge("of_the_server", "a figure of somebody else", registry=registry).set(7)
    async with (
        gateway_to(f"127.0.0.1:{service.port}", registry) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http,
    ):
        for method, path in [
            ("GET", "/health"),
            ("GET", "/nothing/1"),
            ("GET", "/nothing/2"),
            ("PROPFIND", "/health"),
            ("POST", EXECUTE),
        ]:
            async with http.request(method, path) as response:
                await response.read()
        async with http.get("/metrics") as response:
            assert response.content_type == "text/plain"
            text = await response.text()
    counted = {
        line for line in text.splitlines() if line.startswith("code_executor_http_requests_total")
    }
    name = "code_executor_http_requests_total"
    assert counted == {
        f'{name}{{code="200",method="GET",route="/health"}} 1.0',
        f'{name}{{code="404",method="GET",route="unmatched"}} 2.0',
        f'{name}{{code="405",method="other",route="unmatched"}} 1.0',
        f'{name}{{code="415",method="POST",route="{EXECUTE}"}} 1.0',
    }
    assert "of_the_server 7.0" in text
    assert 'http_request_duration_seconds_count{method="GET",route="/health"} 1.0' in text
    assert "code_executor_http_requests_in_flight 1.0" in text  # the scrape itself


async def test_a_client_that_went_away_is_counted_as_499(service):
    slow, registry = Slow(service), CollectorRegistry()
    labels = {"route": EXECUTE, "method": "POST", "code": "499"}
    async with gateway_to(f"127.0.0.1:{service.port}", registry) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(
            b"POST /api/v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        )
        await slow.started.wait()
        writer.close()
        await asyncio.wait_for(service.cancelled.wait(), 5)
        assert registry.get_sample_value("code_executor_http_requests_total", labels) == 1


async def test_openmetrics_is_given_to_who_asks_for_it(http):
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with http.get("/metrics", headers=accept) as response:
        assert response.content_type == "application/openmetrics-text"
        assert (await response.text()).endswith("# EOF\n")


async def test_a_bug_in_the_gateway_is_a_masked_500(http, monkeypatch):
    def broken(_self, _accept):
        raise ZeroDivisionError("a secret of the code")

    monkeypatch.setattr(HttpMetrics, "exposition", broken)
    async with http.get("/metrics") as response:
        assert response.status == 500
        assert response.headers["Connection"] == "close"
        answer = await response.json()
    assert answer["error"]["status"] == "INTERNAL"
    assert "secret" not in str(answer)
