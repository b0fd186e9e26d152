"""The two ways into the service, each as its users have it: a call, and what became of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import grpc
import grpc.aio
import orjson
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub

if TYPE_CHECKING:
    from code_executor.v1.executor_pb2_grpc import CodeExecutorAsyncStub

    from bench.programs import Program

_CALL_SECONDS = 200.0
_OVERLOADED = 503


class WrongAnswerError(Exception):
    """The service answered, but not what the program prints: no figure of such a run is worth anything."""


class RefusedError(Exception):
    """The service did not take the request: it is overloaded."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a request; 0 is the service's default."""

    name: str
    cpu: float = 0.0


DEFAULT_LIMITS = Limits("default limits")
ONE_CORE = Limits("cpu_limit 1.0", 1.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """One execution as its caller saw it."""

    seconds: float
    """From the call to the parsed answer."""
    warm: bool
    """Every sandbox had waited for it."""
    program_cpu_seconds: float
    """CPU of both stages as the service reports it."""


class Front(Protocol):
    """A way into the service."""

    name: str

    async def execute(
        self, program: Program, limits: Limits = DEFAULT_LIMITS, source: Source | None = None
    ) -> Answer:
        """Run a program. Raises WrongAnswerError, RefusedError."""

    async def health(self) -> float:
        """Seconds of a call that needs no sandbox."""


Source = tuple[str, str]
"""A program's text and what it prints."""


class GrpcFront:
    """The generated stub on one channel of grpc.aio."""

    name = "gRPC"

    def __init__(self, address: str) -> None:
        """Connects at the first call."""
        self._channel = grpc.aio.insecure_channel(address)
        self.stub: CodeExecutorAsyncStub = CodeExecutorStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def execute(
        self, program: Program, limits: Limits = DEFAULT_LIMITS, source: Source | None = None
    ) -> Answer:
        """Run a program. Raises WrongAnswerError, RefusedError."""
        code, expected = source or program.submission()
        request = pb.ExecuteRequest(language=program.language, code=code, cpu_limit=limits.cpu)
        began = time.perf_counter()
        try:
            answer = await self.stub.Execute(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise RefusedError(error.details()) from error
            raise
        seconds = time.perf_counter() - began
        if answer.stdout != expected:
            raise WrongAnswerError(f"{program.name}: expected {expected!r}, got {answer}")
        cpu = answer.compile.cpu_seconds + answer.run.cpu_seconds
        return Answer(seconds, answer.timings.warm, cpu)

    async def health(self) -> float:
        """Seconds of a call that needs no sandbox."""
        began = time.perf_counter()
        await self.stub.Health(pb.HealthRequest(), timeout=_CALL_SECONDS)
        return time.perf_counter() - began


class RestFront:
    """JSON over HTTP/1.1, connections kept alive."""

    name = "REST"

    def __init__(self, url: str) -> None:
        """Connects at the first call."""
        # Its default of 100 connections would be a bound on the load.
        self._session = aiohttp.ClientSession(
            url, connector=aiohttp.TCPConnector(limit=0), raise_for_status=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def execute(
        self, program: Program, limits: Limits = DEFAULT_LIMITS, source: Source | None = None
    ) -> Answer:
        """Run a program. Raises WrongAnswerError, RefusedError."""
        code, expected = source or program.submission()
        began = time.perf_counter()
        body = orjson.dumps({"language": program.language, "code": code, "cpu_limit": limits.cpu})
        answer = await self._post("/api/v1/execute", body)
        seconds = time.perf_counter() - began
        if answer.get("stdout") != expected:
            raise WrongAnswerError(f"{program.name}: expected {expected!r}, got {answer}")
        stages = [answer[name] for name in ("compile", "run") if answer.get(name)]
        cpu = sum(float(stage.get("cpu_seconds") or 0.0) for stage in stages)
        return Answer(seconds, bool(answer["timings"]["warm"]), cpu)

    async def health(self) -> float:
        """Seconds of a call that needs no sandbox."""
        began = time.perf_counter()
        async with self._session.get("/health") as answer:
            orjson.loads(await answer.read())
        return time.perf_counter() - began

    async def _post(self, path: str, body: bytes) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=_CALL_SECONDS)
        async with self._session.post(path, data=body, headers=headers, timeout=timeout) as answer:
            document: dict[str, Any] = orjson.loads(await answer.read())
            if answer.status == _OVERLOADED:
                raise RefusedError(document["error"]["message"])
            return document
