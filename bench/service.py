"""A private process of the service, started for the benchmark alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_executor.v1 import executor_pb2 as pb

from bench.fronts import GrpcFront, RestFront, WrongAnswerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.engine import Laboratory

_LISTEN_SECONDS = 60.0
_EXIT_SECONDS = 90.0
_SETTLED_SECONDS = 1.5
_SETTLE_SECONDS = 60.0
_POLL_SECONDS = 0.25


class Service:
    """One process of the service with an instance name and ports of its own."""

    def __init__(self, *flags: str) -> None:
        """Start it; ``flags`` are added to its own."""
        self.instance = f"bench-{secrets.token_hex(4)}"
        own = ("-grpc-port=0", "-http-port=0", "-metrics-port=0", "-log-format=json", "-v=1")
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "executor_server", *own, f"-instance={self.instance}", *flags],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._listening: dict[str, str] = {}
        self._last: list[str] = []
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """Of its one process."""
        return self._process.pid

    async def address(self, front: str) -> str:
        """host:port of a front, ``grpc`` or ``http``, as soon as it listens."""
        return await asyncio.to_thread(self._address, front)

    async def stop(self) -> None:
        """End it as an operator would. Raises WrongAnswerError where it does not end well."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(self._process.wait, _EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        if code:
            raise WrongAnswerError(f"the service ended with {code}: {self._last}")

    def _address(self, front: str) -> str:
        with self._news:
            self._news.wait_for(
                lambda: front in self._listening or self._process.poll() is not None,
                _LISTEN_SECONDS,
            )
            if front not in self._listening:
                raise WrongAnswerError(f"the service does not listen: {self._last}")
            return self._listening[front]

    def _read(self) -> None:
        """Its log must be read to its end, else the service blocks on it. Few lines are parsed."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self._last = [*self._last[-9:], line.decode(errors="replace").rstrip()]
                if b'"listening"' in line:
                    fields = json.loads(line)
                    self._listening[fields["front"]] = fields["address"]
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


@dataclass(frozen=True, slots=True)
class RunningService:
    """The process and both ways in."""

    process: Service
    grpc: GrpcFront
    rest: RestFront
    laboratory: Laboratory

    async def wait_until_ready(self, languages: set[str]) -> None:
        """Return when programs of these languages run."""
        while True:
            answer = await self.grpc.stub.ListLanguages(pb.ListLanguagesRequest(), timeout=30.0)
            ready = {
                language.name
                for language in answer.languages
                if language.versions[0].state == pb.LanguageVersion.READY
            }
            if languages <= ready:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def settle(self) -> None:
        """Wait until its pool neither makes nor removes anything."""
        deadline = time.perf_counter() + _SETTLE_SECONDS
        seen: set[str] = set()
        since = time.perf_counter()
        while time.perf_counter() < deadline:
            now = set(await self.laboratory.containers(self.process.instance))
            if now != seen:
                seen, since = now, time.perf_counter()
            elif time.perf_counter() - since > _SETTLED_SECONDS:
                return
            await asyncio.sleep(_POLL_SECONDS)


@contextlib.asynccontextmanager
async def running_service(
    laboratory: Laboratory, languages: set[str], *flags: str
) -> AsyncIterator[RunningService]:
    """A service that runs while the block does; nothing of it is left after that."""
    process = Service(*flags)
    try:
        front = GrpcFront(await process.address("grpc"))
        rest = RestFront("http://" + await process.address("http"))
        service = RunningService(process, front, rest, laboratory)
        try:
            await service.wait_until_ready(languages)
            await service.settle()
            yield service
        finally:
            await rest.close()
            await front.close()
    finally:
        # Also where this task is being cancelled: the process must not outlive us.
        await asyncio.shield(process.stop())
        for container in await laboratory.containers(process.instance):
            await laboratory.remove(container)
