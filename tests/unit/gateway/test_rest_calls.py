"""Calls through a real gateway to a gRPC server that speaks the real proto."""

import asyncio

import aiohttp
import pytest
from code_executor.v1 import executor_pb2 as pb
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tests.unit.gateway.conftest import (
    FakeService,
    fails_with,
    gateway_to,
    raw_exchange,
    reason_of,
    serving,
)

EXECUTE = "/api/v1/execute"


async def test_execute_carries_every_field_both_ways(http, service):
    async def answer(_request, _context):
        run = pb.Stage(memory_peak_bytes=2**40, cpu_seconds=0.0, status=pb.ExecuteResponse.OK)
        return pb.ExecuteResponse(stdout="é\n", run=run, status=pb.ExecuteResponse.OK)

    service.answer = answer
    body = {
        "language": "python",
        "code": "print('é')",
        "timeoutSeconds": 1.5,
        "memory_limit_mb": 64,
        "input_bytes": "AAE=",
        "args": ["a", "b"],
        "env": {"KEY": "value"},
        "files": [{"path": "x/y.txt", "text": "t"}, {"path": "z", "content": "_w"}],
        "output_encoding": "BYTES",
    }
    async with http.post(EXECUTE, json=body) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        answered = await response.json()
    assert service.requests == [
        pb.ExecuteRequest(
            language="python",
            code="print('é')",
            timeout_seconds=1.5,
            memory_limit_mb=64,
            input_bytes=b"\0\1",
            args=["a", "b"],
            env={"KEY": "value"},
            files=[pb.File(path="x/y.txt", text="t"), pb.File(path="z", content=b"\xff")],
            output_encoding=pb.ExecuteRequest.BYTES,
        )
    ]
    assert answered["stdout"] == "é\n"
    assert answered["status"] == "OK"
    assert answered["run"]["memory_peak_bytes"] == str(2**40)
    assert answered["run"]["cpu_seconds"] == 0.0
    assert (answered["timeout"], answered["exit_code"], answered["stderr"]) == (False, 0, "")
    assert "compile" not in answered


async def test_health_and_languages(http):
    async with http.get("/health") as response:
        assert await response.read() == b'{"status":"healthy","version":"1.0.0"}'
    async with http.get("/api/v1/languages") as response:
        assert await response.json() == {"languages": []}


async def test_head_is_get_without_a_body(http):
    async with http.head("/health") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == "38"
        assert await response.read() == b""


async def test_an_escaped_path_is_the_same_path(gateway):
    answer = await raw_exchange(gateway.port, b"GET /%68ealth HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200 ")


async def test_a_large_answer_comes_whole(http, service):
    async def answer(_request, _context):
        return pb.ExecuteResponse(stdout="x" * 20_000_000)

    service.answer = answer
    async with http.post(EXECUTE, json={}) as response:
        assert len((await response.json())["stdout"]) == 20_000_000


async def test_the_caller_is_the_peer_and_no_header_says_otherwise(http, service):
    headers = {
        "code-executor-caller": "10.9.8.7",
        "code-executor-gateway-token": "forged",
        "X-Forwarded-For": "10.9.8.7",
        "Grpc-Metadata-code-executor-caller": "10.9.8.7",
    }
    async with http.get("/health", headers=headers) as response:
        assert response.status == 200
    metadata = service.metadata[0]
    assert metadata["code-executor-caller"] == "127.0.0.1"
    assert metadata["code-executor-gateway-token"] == "secret-of-the-gateway"
    assert "10.9.8.7" not in str(metadata)


async def test_without_a_token_none_is_sent(service):
    async with (
        gateway_to(f"127.0.0.1:{service.port}") as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http,
        http.get("/health") as response,
    ):
        assert response.status == 200
    assert "code-executor-gateway-token" not in service.metadata[0]
    assert service.metadata[0]["code-executor-caller"] == "127.0.0.1"


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(("sent", "forwarded"), [(TRACE, TRACE), ("x", None), (TRACE + "é", None)])
async def test_only_a_well_formed_trace_is_forwarded(http, service, sent, forwarded):
    async with http.get("/health", headers={"traceparent": sent}) as response:
        assert response.status == 200
    assert service.metadata[0].get("traceparent") == forwarded


@pytest.mark.parametrize(
    ("header", "seconds"), [("10S", 10), ("2M", 120), ("1H", 3600), ("90000m", 90), (None, None)]
)
async def test_the_deadline_of_the_client_goes_along(http, service, header, seconds):
    headers = {"Grpc-Timeout": header} if header else {}
    async with http.get("/health", headers=headers) as response:
        assert response.status == 200
    left = service.seconds_left[0]
    if seconds is None:
        assert left is None
    else:  # gRPC rounds a deadline up to few digits
        assert seconds * 0.9 < left < seconds * 1.1


async def test_the_longest_deadline_of_the_client_has_not_passed(http, service):
    async with http.get("/health", headers={"Grpc-Timeout": "99999999H"}) as response:
        assert response.status == 200
    assert service.seconds_left[0] > 10**7, "gRPC counts in nanoseconds, in 63 bits"


@pytest.mark.parametrize("header", ["", "5", "S", "-1S", "1.5S", "123456789S", "5s"])
async def test_a_deadline_that_is_none_is_refused(http, service, header):
    async with http.get("/health", headers={"Grpc-Timeout": header}) as response:
        assert response.status == 400
        assert reason_of(await response.json()) == "INVALID_TIMEOUT"
    assert service.requests == []


async def test_a_deadline_that_passes_is_504(http, service):
    async def never(_request, _context):
        await asyncio.Event().wait()

    service.answer = never
    async with http.get("/health", headers={"Grpc-Timeout": "50m"}) as response:
        assert response.status == 504
        answer = await response.json()
    assert reason_of(answer) == "DEADLINE_EXCEEDED"
    assert answer["error"]["status"] == "DEADLINE_EXCEEDED"


async def test_a_client_that_goes_away_cancels_the_call(gateway, service):
    started = asyncio.Event()

    async def never(_request, _context):
        started.set()
        await asyncio.Event().wait()

    service.answer = never
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        b"POST /api/v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    await asyncio.wait_for(started.wait(), 5)
    assert not service.cancelled.is_set()
    writer.close()
    await writer.wait_closed()
    await asyncio.wait_for(service.cancelled.wait(), 5)


async def test_the_details_of_an_error_come_through(http, service):
    status = status_pb2.Status(code=code_pb2.UNAVAILABLE, message="the queue is full")
    info = error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="code-executor")
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2, nanos=1))
    for detail in (info, retry):
        status.details.add().Pack(detail)
    service.answer = fails_with(status)
    async with http.post(EXECUTE, json={}) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "3"
        answer = await response.json()
    assert reason_of(answer) == "QUEUE_FULL"
    assert answer["error"]["message"] == "the queue is full"
    assert answer["error"]["details"][1] == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "2.000000001s",
    }


async def test_an_unreachable_server_is_503_until_it_is_back():
    service = FakeService()
    async with serving(service):
        target = f"127.0.0.1:{service.port}"
    async with (
        gateway_to(target) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http,
    ):
        for _ in range(2):
            await _is_unreachable(http, service.port)
            async with serving(service):
                await _comes_back(http)


async def _is_unreachable(http, port):
    async with http.get("/health") as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        answer = await response.json()
    assert reason_of(answer) == "SERVICE_UNREACHABLE"
    assert answer["error"]["status"] == "UNAVAILABLE"
    assert answer["error"]["details"][1]["retryDelay"] == "1s"
    assert str(port) not in str(answer)


async def _comes_back(http):
    async with asyncio.timeout(10):
        while True:
            async with http.get("/health") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.1)


async def test_a_request_that_grpc_itself_refuses_is_413():
    options = (("grpc.max_receive_message_length", 1000),)
    async with (
        serving(FakeService(), options=options) as service,
        gateway_to(f"127.0.0.1:{service.port}") as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http,
        http.post(EXECUTE, json={"code": "x" * 2000}) as response,
    ):
        assert response.status == 413
        assert reason_of(await response.json()) == "REQUEST_TOO_LARGE"


async def test_a_crash_of_the_server_is_masked(http, service):
    async def crash(_request, _context):
        raise RuntimeError("secret of the server")

    service.answer = crash
    async with http.post(EXECUTE, json={}) as response:
        assert response.status == 500
        answer = await response.json()
    assert reason_of(answer) == "INTERNAL"
    assert "secret" not in str(answer)
