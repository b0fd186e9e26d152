"""What a refused call leaves behind, on a gRPC server without an engine."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from unittest.mock import Mock

import grpc
import pytest
from code_executor.v1 import executor_pb2 as pb

from executor_server.languages import Languages
from executor_server.observer import Observer
from executor_server.service.request import RequestReader
from executor_server.service.servicer import Servicer
from executor_server.settings import Settings

EMPTY_FILE = b"\x62\x00"


@asynccontextmanager
async def execute() -> AsyncIterator[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]]:
    """The call Execute on bytes, of a server that knows no language."""
    settings, languages = Settings(), Languages(())
    reader = RequestReader(settings, languages, images=Mock())
    servicer = Servicer(settings, reader, Mock(), languages, Mock(), Mock(), Observer(), "")
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((servicer.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel.unary_unary("/code_executor.v1.CodeExecutor/Execute")
    finally:
        await server.stop(0)


@contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def requests_alive() -> int:
    return sum(isinstance(found, pb.ExecuteRequest) for found in gc.get_objects())


async def test_a_crowd_of_entries_is_refused_before_it_is_parsed() -> None:
    async with execute() as call:
        with pytest.raises(grpc.aio.AioRpcError, match="at most 64 files") as caught:
            await call(EMPTY_FILE * 10_000)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_few_entries_too_many_are_named_by_their_field() -> None:
    async with execute() as call:
        with pytest.raises(grpc.aio.AioRpcError, match="files: has 65 files; at most 64"):
            await call(EMPTY_FILE * 65)


async def test_a_refused_request_is_freed_with_its_call() -> None:
    async with execute() as call:
        with without_collector():
            before = requests_alive()
            for _ in range(3):
                with pytest.raises(grpc.aio.AioRpcError):
                    await call(pb.ExecuteRequest(language="none").SerializeToString())
            await asyncio.sleep(0.1)
            assert requests_alive() == before
