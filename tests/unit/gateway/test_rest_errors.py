"""Requests that reach no call: routing, framing, types and sizes, all in the one error shape."""

import asyncio
import io
import json
from unittest.mock import Mock

import pytest
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import RequestPayloadError
from yarl import URL

from gateway.errors import HttpError
from gateway.request_body import BodyLimits, read_body
from tests.unit.gateway.conftest import gateway_to, raw_exchange, reason_of

EXECUTE = "/api/v1/execute"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "http_status", "status", "reason"),
    [
        ("GET", "/", 404, "NOT_FOUND", "ROUTE_NOT_FOUND"),
        ("GET", "/health/", 404, "NOT_FOUND", "ROUTE_NOT_FOUND"),
        ("GET", "/api/v1/nothing", 404, "NOT_FOUND", "ROUTE_NOT_FOUND"),
        ("POST", "/api/v1/execute:stream", 404, "NOT_FOUND", "ROUTE_NOT_FOUND"),
        ("GET", "/api/v1/%ff", 404, "NOT_FOUND", "ROUTE_NOT_FOUND"),
        ("GET", EXECUTE, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
        ("OPTIONS", EXECUTE, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
        ("PROPFIND", EXECUTE, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
        ("DELETE", "/openapi.json", 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
        ("GET", "/health?x=1", 400, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("GET", "/health?%ff", 400, "INVALID_ARGUMENT", "MALFORMED_QUERY"),
    ],
)
async def test_routing(http, service, method, path, http_status, status, reason):
    async with http.request(method, URL(path, encoded=True)) as response:
        assert response.status == http_status
        answer = await response.json()
    assert reason_of(answer) == reason
    assert (answer["error"]["code"], answer["error"]["status"]) == (http_status, status)
    assert service.requests == []


@pytest.mark.parametrize(
    ("path", "allow"), [(EXECUTE, "POST"), ("/health", "GET, HEAD"), ("/metrics", "GET, HEAD")]
)
async def test_a_wrong_method_is_told_the_right_one(http, path, allow):
    async with http.patch(path) as response:
        assert response.headers["Allow"] == allow


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is empty"),
        (b"{", "line 1, column 2"),
        (b'{"code": "\xff"}', "not valid UTF-8"),
        (b"[]", "expected a JSON object, got an array"),
        (b'{"code": ' + b"[" * 100_000, "nested deeper"),
    ],
)
async def test_malformed_json(http, service, body, said):
    async with http.post(EXECUTE, data=body, headers=JSON) as response:
        assert response.status == 400
        answer = await response.json()
    assert reason_of(answer) == "MALFORMED_JSON"
    assert said in answer["error"]["message"]
    assert service.requests == []


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        ('{"nope": 1}', ("nope", "UNKNOWN_FIELD")),
        ('{"files": [{"path": "a", "mode": 1}]}', ("files[0].mode", "UNKNOWN_FIELD")),
        ('{"timeout_seconds": 1, "timeoutSeconds": 1}', ("timeout_seconds", "DUPLICATE_FIELD")),
        ('{"files": [{"content": "", "text": ""}]}', ("files[0].text", "CONFLICT")),
        ('{"memory_limit_mb": 1.5}', ("memory_limit_mb", "WRONG_TYPE")),
        ('{"output_overflow": "EXPLODE"}', ("output_overflow", "UNKNOWN_VALUE")),
    ],
)
async def test_bad_fields_are_named(http, service, body, violation):
    async with http.post(EXECUTE, data=body, headers=JSON) as response:
        assert response.status == 400
        answer = await response.json()
    assert reason_of(answer) == "INVALID_REQUEST"
    bad = answer["error"]["details"][1]
    assert bad["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert [(v["field"], v["reason"]) for v in bad["fieldViolations"]] == [violation]
    assert violation[0] in answer["error"]["message"]
    assert service.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
async def test_other_content_types_are_415(http, service, headers):
    async with http.post(EXECUTE, data=b"{}", headers=headers) as response:
        assert response.status == 415
        assert reason_of(await response.json()) == "UNSUPPORTED_MEDIA_TYPE"
    assert service.requests == []


async def test_a_content_type_with_utf8_is_taken(http):
    headers = {"Content-Type": "Application/JSON; charset=UTF-8"}
    async with http.post(EXECUTE, data=b"{}", headers=headers) as response:
        assert response.status == 200


async def test_a_missing_content_type_is_415(gateway):
    request = b"POST /api/v1/execute HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}"
    assert b" 415 " in (await raw_exchange(gateway.port, request)).splitlines()[0]


async def test_a_body_where_none_is_taken_is_refused(http):
    async with http.get("/health", data=b"{}") as response:
        assert response.status == 400
        assert reason_of(await response.json()) == "UNEXPECTED_BODY"
    async with http.get("/health", data=b"") as response:
        assert response.status == 200


async def test_a_body_too_large_is_413_announced_or_not(http, service):
    async def chunks():
        for _ in range(20):
            yield b" " * 65_536

    for body in (io.BytesIO(b" " * (1024 * 1024 + 1)), chunks()):
        async with http.post(EXECUTE, data=body, headers=JSON) as response:
            assert response.status == 413
            answer = await response.json()
        assert reason_of(answer) == "REQUEST_TOO_LARGE"
        assert "1048576 bytes" in answer["error"]["message"]
    assert service.requests == []


async def test_a_body_at_the_limit_is_taken(http):
    body = io.BytesIO(b"{}".ljust(1024 * 1024))
    async with http.post(EXECUTE, data=body, headers=JSON) as response:
        assert response.status == 200


HEAD = b"POST /api/v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def test_a_body_too_slow_is_408(service):
    async with gateway_to(f"127.0.0.1:{service.port}", body_timeout_seconds=0.2) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"Connection: close" in answer
        writer.close()
        await writer.wait_closed()
    assert service.requests == []


async def test_a_client_that_waits_for_leave_gets_it(gateway):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    leave = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert leave == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert (await asyncio.wait_for(reader.readline(), 5)) == b"HTTP/1.1 200 OK\r\n"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 99999999\r\nExpect: 100-continue\r\n", b"413"),
        (b"Content-Length: 2\r\nExpect: a-miracle\r\n", b"417"),
        (b"Content-Length: x\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"400"),
        (b"X: " + b"y" * 20_000 + b"\r\n", b"431"),
        (b"no colon\r\n", b"400"),
    ],
)
async def test_what_the_http_parser_refuses_has_the_shape_too(gateway, headers, status):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(HEAD + headers + b"\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.split()[1] == status
    length = int(head.lower().split(b"content-length: ")[1].split()[0])
    answer = json.loads(await asyncio.wait_for(reader.readexactly(length), 5))
    assert reason_of(answer) in {
        "REQUEST_TOO_LARGE",
        "EXPECTATION_FAILED",
        "MALFORMED_HTTP",
        "HEADER_TOO_LARGE",
    }
    assert "bytearray" not in answer["error"]["message"]  # the parser's own words for a long line
    writer.close()
    await writer.wait_closed()


async def test_broken_chunks_are_400(gateway):
    answer = await raw_exchange(
        gateway.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"
    )
    assert answer.split()[1] == b"400"
    assert reason_of(json.loads(answer.split(b"\r\n\r\n", 1)[1])) == "MALFORMED_HTTP"


async def test_chunks_that_break_in_the_body_are_400():
    """One of aiohttp's two parsers tells the reader of the body, the other lets it wait."""
    body = StreamReader(Mock(), 2**16)
    body.feed_data(b"{")
    body.set_exception(RequestPayloadError("bad chunk"))
    request = make_mocked_request("POST", "/", payload=body)
    with pytest.raises(HttpError) as caught:
        await read_body(request, BodyLimits(max_bytes=100, timeout_seconds=5))
    assert caught.value.http_status == 400
    assert reason_of(json.loads(caught.value.body())) == "MALFORMED_HTTP"


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01", b"BOGUS\r\n\r\n"])
async def test_what_is_no_http_gets_400_without_versions(gateway, sent):
    answer = await raw_exchange(gateway.port, sent + b"\r\n\r\n")
    assert b" 400 " in answer.splitlines()[0]
    assert b"aiohttp" not in answer
    assert b"Python" not in answer


@pytest.mark.parametrize("path", ["/health", "/nothing", "/openapi.json", "/metrics"])
async def test_no_answer_tells_what_it_runs_on(http, path):
    async with http.get(path) as response:
        assert response.headers["Server"] == "code-executor"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in response.headers
