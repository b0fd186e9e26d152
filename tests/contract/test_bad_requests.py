"""Bad requests: the same fields and reasons over every front, no container, no trace in the next one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import grpc
import pytest
from code_executor.v1 import executor_pb2 as pb

from tests.contract.bad_requests import (
    BAD_BODIES,
    BAD_REQUESTS,
    GOOD,
    TOO_LARGE_IN_ALL,
    Bad,
    BadBody,
)
from tests.contract.fronts import (
    FRONTS,
    Front,
    RefusedError,
    Request,
    RestFront,
    message_of,
    open_fronts,
    refused_by_grpc,
    refused_by_rest,
)
from tests.engine import Engine
from tests.service import Service

EXECUTE = "/code_executor.v1.CodeExecutor/Execute"
LANGUAGE_FIELD, CODE_FIELD = b"\x0a", b"\x12"
BODY_BYTES_MAX = 32 * 1024 * 1024


@pytest.fixture(scope="module")
async def fronts(service: Service) -> AsyncIterator[dict[str, Front]]:
    async with open_fronts(service.grpc_address, service.http_url) as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_started(service: Service, engine: Engine) -> Iterator[None]:
    """What waits for work may go meanwhile, but nothing new may come, nor anything be executed."""
    before = quiet(service, engine)
    yield
    after = quiet(service, engine)
    assert after[0] <= before[0], "containers were started for bad requests"
    assert after[1] == before[1], "bad requests were executed"


def quiet(service: Service, engine: Engine) -> tuple[set[str], float]:
    """The service's containers and its count of started sandboxes, once both stand still."""
    seen = None
    while (now := started(service, engine)) != seen:
        seen = now
        time.sleep(2)
    return now


def started(service: Service, engine: Engine) -> tuple[set[str], float]:
    count = service.metric("code_executor_sandbox_start_seconds_count")
    return set(engine.containers(service.instance)), count


async def refused(front: Front, request: Request) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await front.execute(request)
    return caught.value


@pytest.mark.parametrize("bad", BAD_REQUESTS, ids=lambda bad: bad.name.replace(" ", "_"))
async def test_every_front_names_the_same_fields(bad: Bad, fronts: dict[str, Front]) -> None:
    messages = set()
    for name in FRONTS:
        error = await refused(fronts[name], {**GOOD, **bad.fields})
        assert (error.code, error.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST"), name
        assert error.violations == bad.violations, name
        assert error.retry_seconds is None, name
        messages.add(error.message)
    (message,) = messages
    for word in (*(field for field, _ in bad.violations), *bad.words):
        assert word in message


@pytest.mark.parametrize("name", FRONTS)
async def test_a_request_too_large_in_all(name: str, fronts: dict[str, Front]) -> None:
    error = await refused(fronts[name], TOO_LARGE_IN_ALL)
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "REQUEST_TOO_LARGE")
    assert "16777216" in error.message


@pytest.mark.parametrize("bad", BAD_BODIES, ids=lambda bad: bad.name.replace(" ", "_"))
async def test_bodies_that_are_no_request(bad: BadBody, fronts: dict[str, Front]) -> None:
    rest = fronts["rest"]
    assert isinstance(rest, RestFront)
    status, body = await rest.post(bad.body)
    assert status == 400
    error = refused_by_rest(status, body)
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", bad.reason)
    assert error.violations == bad.violations
    assert error.message


@pytest.mark.parametrize(
    ("method", "path", "status", "reason", "allow"),
    [
        ("GET", "/api/v1/execute", 405, "METHOD_NOT_ALLOWED", "POST"),
        ("POST", "/api/v1/languages", 405, "METHOD_NOT_ALLOWED", "GET, HEAD"),
        ("DELETE", "/metrics", 405, "METHOD_NOT_ALLOWED", "GET, HEAD"),
        ("POST", "/api/v1/exec", 404, "ROUTE_NOT_FOUND", None),
        ("POST", "/api/v2/execute", 404, "ROUTE_NOT_FOUND", None),
        ("GET", "/", 404, "ROUTE_NOT_FOUND", None),
    ],
)
async def test_routes_that_are_none(
    method: str, path: str, status: int, reason: str, allow: str | None, http_url: str
) -> None:
    async with aiohttp.request(method, http_url + path) as answer:
        body = await answer.read()
    assert answer.status == status
    assert answer.headers.get("Allow") == allow
    assert refused_by_rest(status, body).reason == reason


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_content_types_that_are_not_taken(headers: dict[str, str], http_url: str) -> None:
    async with aiohttp.request(
        "POST", http_url + "/api/v1/execute", data=b"{}", headers=headers, compress=None
    ) as answer:
        body = await answer.read()
    assert answer.status == 415
    assert refused_by_rest(415, body).reason == "UNSUPPORTED_MEDIA_TYPE"


async def test_a_body_too_large(fronts: dict[str, Front]) -> None:
    rest = fronts["rest"]
    assert isinstance(rest, RestFront)
    status, body = await rest.post(b" " * (BODY_BYTES_MAX + 1))
    assert status == 413
    assert refused_by_rest(status, body).reason == "REQUEST_TOO_LARGE"


async def raw(channel: grpc.aio.Channel, method: str, data: bytes) -> bytes:
    """Call with bytes as they are."""
    call: Any = channel.unary_unary(method)
    return bytes(await call(data))


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff",
        LANGUAGE_FIELD + b"\x06pyth",
        LANGUAGE_FIELD + b"\x02\xff\xfe",
        message_of(GOOD).SerializeToString() + CODE_FIELD + b"\x01\x80",
    ],
    ids=["no message", "cut", "invalid UTF-8", "invalid UTF-8 after a good request"],
)
async def test_bytes_that_are_no_message(data: bytes, grpc_address: str) -> None:
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(channel, EXECUTE, data)
    error = refused_by_grpc(caught.value)
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
    assert "code_executor.v1.ExecuteRequest" in error.message


async def test_details_of_very_many_violations_stay_small(grpc_address: str) -> None:
    request = pb.ExecuteRequest(**GOOD, args=["\0"] * 256)
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(channel, EXECUTE, request.SerializeToString())
    (details,) = (v for k, v in caught.value.trailing_metadata() if k == "grpc-status-details-bin")
    assert len(details) < 4096
    assert len(refused_by_grpc(caught.value).violations) > 10


async def test_a_call_that_does_not_exist(grpc_address: str) -> None:
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(channel, "/code_executor.v1.CodeExecutor/Run", b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
