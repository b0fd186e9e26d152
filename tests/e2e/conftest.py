"""Programs on the shared service, and services of a test's own."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub

from tests.contract.fronts import CALL_SECONDS, LARGEST_MESSAGE, message_of
from tests.engine import Engine
from tests.service import Service, running

Execute = Callable[..., Coroutine[Any, Any, pb.ExecuteResponse]]
StartService = Callable[..., Service]


@pytest.fixture(scope="session")
async def execute(service: Service) -> AsyncIterator[Execute]:
    """Run one program on the shared service; the code may be indented as the test is."""
    size = ("grpc.max_receive_message_length", LARGEST_MESSAGE)
    async with grpc.aio.insecure_channel(service.grpc_address, options=[size]) as channel:
        stub = CodeExecutorStub(channel)

        async def run(language: str, code: str, **fields: Any) -> pb.ExecuteResponse:
            message = message_of({"language": language, "code": textwrap.dedent(code), **fields})
            return await stub.Execute(message, timeout=CALL_SECONDS)

        yield run


@pytest.fixture
def start_service(engine: Engine) -> Iterator[StartService]:
    """Start services; each must end well when the test ends."""
    with ExitStack() as stack:
        yield lambda *flags, **more: stack.enter_context(running(engine, *flags, **more))
