"""The four ways into the service, each behind the same two words: execute, or be refused.

A request is a mapping of the proto's field names to plain values: enums by name, files as mappings.
An answer is the proto's message, whatever the way that it came.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import grpc
from code_executor import AsyncClient, Client, ClientOptions, CodeExecutorError
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

Request = Mapping[str, Any]

# So a call never ends by a deadline of the test's where it should end by the service's own limits.
CALL_SECONDS = 240.0
LARGEST_MESSAGE = 64 * 1024 * 1024
# One attempt: what the service says is what the test sees.
SDK_OPTIONS = ClientOptions(max_attempts=1, queue_allowance_seconds=CALL_SECONDS)


@dataclass
class RefusedError(Exception):
    """The service did not run the program."""

    code: str
    """Name of the gRPC status, which every front has."""
    reason: str
    message: str
    violations: tuple[tuple[str, str], ...]
    """Field and reason of each."""
    retry_seconds: float | None


class Front(Protocol):
    """One way in."""

    async def execute(self, request: Request) -> pb.ExecuteResponse:
        """Run a program. Raises RefusedError."""


def message_of(request: Request) -> pb.ExecuteRequest:
    """The request as the proto's message."""
    enums = {
        "output_overflow": pb.ExecuteRequest.OutputOverflow,
        "output_encoding": pb.ExecuteRequest.OutputEncoding,
    }
    fields: dict[str, Any] = {
        name: enums[name].Value(value) if name in enums and isinstance(value, str) else value
        for name, value in request.items()
    }
    fields["files"] = [pb.File(**file) for file in request.get("files", ())]
    return pb.ExecuteRequest(**fields)


class GrpcFront:
    """The generated stub on grpc.aio."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = CodeExecutorStub(channel)

    async def execute(self, request: Request) -> pb.ExecuteResponse:
        try:
            return await self._stub.Execute(message_of(request), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise refused_by_grpc(error) from error


def refused_by_grpc(error: grpc.aio.AioRpcError) -> RefusedError:
    """What a gRPC error says; its details must agree with its status."""
    status = rpc_status.from_call(error)
    details = status.details if status else ()
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    found = {type(kind): any(d.Unpack(kind) for d in details) for kind in (info, bad, retry)}
    return RefusedError(
        error.code().name,
        info.reason,
        error.details() or "",
        tuple((violation.field, violation.reason) for violation in bad.field_violations),
        retry.retry_delay.ToTimedelta().total_seconds() if found[type(retry)] else None,
    )


class AsyncSdkFront:
    """The SDK for asyncio."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def execute(self, request: Request) -> pb.ExecuteResponse:
        try:
            return (await self._client.execute(**_sdk_fields(request))).message
        except CodeExecutorError as error:
            raise _refused_by_sdk(error) from error


class SyncSdkFront:
    """The SDK for threads."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def execute(self, request: Request) -> pb.ExecuteResponse:
        try:
            return (await asyncio.to_thread(self._client.execute, **_sdk_fields(request))).message
        except CodeExecutorError as error:
            raise _refused_by_sdk(error) from error


def _sdk_fields(request: Request) -> dict[str, Any]:
    files = [pb.File(**file) for file in request.get("files", ())]
    return {**request, "files": files}


def _refused_by_sdk(error: CodeExecutorError) -> RefusedError:
    violations = getattr(error, "field_violations", ())
    return RefusedError(
        error.code.name,
        error.reason,
        error.message,
        tuple((violation.field, violation.reason) for violation in violations),
        getattr(error, "retry_after", None),
    )


class RestFront:
    """JSON over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url + "/api/v1/execute"

    async def execute(self, request: Request) -> pb.ExecuteResponse:
        status, body = await self.post(json.dumps(_json_value(request)).encode())
        if status != 200:
            raise refused_by_rest(status, body)
        return json_format.Parse(body, pb.ExecuteResponse())

    async def post(self, body: bytes, **headers: str) -> tuple[int, bytes]:
        """Send a body as it is."""
        kind = {"Content-Type": "application/json", **headers}
        async with self._session.post(self._url, data=io.BytesIO(body), headers=kind) as answer:
            return answer.status, await answer.read()


def _json_value(value: Any) -> Any:
    """A value by the proto3 JSON mapping."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {name: _json_value(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_json_value(member) for member in value]
    return value


def refused_by_rest(http_status: int, body: bytes) -> RefusedError:
    """What an error body says; it must have the one shape that every error has."""
    error = json.loads(body)["error"]
    assert error["code"] == http_status
    details = {detail["@type"].rpartition(".")[2]: detail for detail in error["details"]}
    bad, retry = details.get("BadRequest", {}), details.get("RetryInfo")
    return RefusedError(
        error["status"],
        details["ErrorInfo"]["reason"],
        error["message"],
        tuple((v["field"], v["reason"]) for v in bad.get("fieldViolations", ())),
        float(retry["retryDelay"].removesuffix("s")) if retry else None,
    )


FRONTS = ("grpc", "sdk-async", "sdk-sync", "rest")


@asynccontextmanager
async def open_fronts(grpc_address: str, http_url: str) -> AsyncIterator[dict[str, Front]]:
    """Clients of one service, by the name of the front."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        size = ("grpc.max_receive_message_length", LARGEST_MESSAGE)
        channel = await enter(grpc.aio.insecure_channel(grpc_address, options=[size]))
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        yield {
            "grpc": GrpcFront(channel),
            "sdk-async": AsyncSdkFront(await enter(AsyncClient(grpc_address, SDK_OPTIONS))),
            "sdk-sync": SyncSdkFront(stack.enter_context(Client(grpc_address, SDK_OPTIONS))),
            "rest": RestFront(await enter(aiohttp.ClientSession(timeout=timeout)), http_url),
        }
