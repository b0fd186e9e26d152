"""A server that speaks the real proto, told by each test what to answer, and both clients."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from code_executor import AsyncClient, Client, ClientOptions
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1 import executor_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

Answer = Callable[[Any, grpc.ServicerContext], Any]

_DEFAULTS: dict[str, Any] = {
    "Execute": pb.ExecuteResponse(status=pb.ExecuteResponse.OK, stdout="ran\n"),
    "ListLanguages": pb.ListLanguagesResponse(languages=[pb.Language(name="python")]),
    "Health": pb.HealthResponse(status="healthy", version="1.0.0"),
}


@dataclass
class Call:
    """One call as the server saw it."""

    method: str
    request: Any
    seconds_left: float
    metadata: dict[str, Any]


@dataclass
class FakeService(executor_pb2_grpc.CodeExecutorServicer):
    """Answers each call with the next of ``answers``, and with a good default after the last."""

    answers: list[Answer] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def Execute(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self._answer("Execute", request, context)

    def ListLanguages(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self._answer("ListLanguages", request, context)

    def Health(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self._answer("Health", request, context)

    def _answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        metadata = dict(context.invocation_metadata())
        with self.lock:
            self.calls.append(Call(method, request, context.time_remaining(), metadata))
            answer = self.answers.pop(0) if self.answers else None
        return _DEFAULTS[method] if answer is None else answer(request, context)


@dataclass
class FakeServer:
    service: FakeService
    address: str
    grpc_server: grpc.Server
    health: Any

    def set_serving(self, serving: bool) -> None:
        states = health_pb2.HealthCheckResponse
        self.health.set("", states.SERVING if serving else states.NOT_SERVING)

    def stop(self) -> None:
        self.grpc_server.stop(grace=None).wait()


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeServer]]:
    """Start servers; each stands on a port of its own until the test ends."""
    started: list[FakeServer] = []

    def start(*answers: Answer, credentials: grpc.ServerCredentials | None = None) -> FakeServer:
        size = ("grpc.max_receive_message_length", 64 * 1024 * 1024)
        grpc_server = grpc.server(ThreadPoolExecutor(32), options=[size])
        service, states = FakeService(list(answers)), health.HealthServicer()
        executor_pb2_grpc.add_CodeExecutorServicer_to_server(service, grpc_server)
        health_pb2_grpc.add_HealthServicer_to_server(states, grpc_server)
        if credentials is None:
            port = grpc_server.add_insecure_port("127.0.0.1:0")
        else:
            port = grpc_server.add_secure_port("127.0.0.1:0", credentials)
        grpc_server.start()
        started.append(FakeServer(service, f"127.0.0.1:{port}", grpc_server, states))
        started[-1].set_serving(True)
        return started[-1]

    yield start
    for server in started:
        server.stop()


class InThread:
    """The sync client with every call in a thread, so that one test serves both clients."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda **fields: asyncio.to_thread(method, **fields)


Connect = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Open a client on a target; the test runs once for each kind of client."""

    @asynccontextmanager
    async def opened(target: str, options: ClientOptions | None = None) -> AsyncIterator[Any]:
        if request.param == "sync":
            with Client(target, options) as client:
                yield InThread(client)
        else:
            async with AsyncClient(target, options) as client:
                yield client

    return opened


@pytest.fixture
def refuse() -> Callable[..., Answer]:
    """Make answers that end a call with a status, with trailing metadata where given."""

    def make(code: grpc.StatusCode, message: str = "no", trailing: Any = ()) -> Answer:
        def answer(_request: Any, context: grpc.ServicerContext) -> Any:
            context.set_trailing_metadata(trailing)
            context.abort(code, message)

        return answer

    return make
