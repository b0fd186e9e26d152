"""A real service process: started, watched through its own log, and ended as an operator would."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub

from tests.engine import Engine

ROOT = Path(__file__).parents[1]
LISTEN_SECONDS = 60.0
EXIT_SECONDS = 60.0
# Every image may have to be made from nothing, and a first one needs a whole base system.
IMAGES_SECONDS = 25 * 60.0

_COMMAND = (sys.executable, "-m", "coverage", "run", "--rcfile=pyproject.toml")


class Service:
    """One process of the service. Its lines of log are kept for whoever waits for one."""

    def __init__(self, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        """Start it; ``flags`` come after those that every test needs."""
        self.instance = f"test-{secrets.token_hex(4)}"
        for flag in flags:
            if flag.startswith("-instance="):
                self.instance = flag.partition("=")[2]
        self._folder = tempfile.TemporaryDirectory()
        own = (
            *("-grpc-port=0", "-http-port=0", "-metrics-port=0", "-log-format=json"),
            # What was compiled in an earlier run must not answer for this one.
            f"-compile-cache-dir={self._folder.name}/cache",
        )
        self.process = subprocess.Popen(
            [*_COMMAND, "-m", "executor_server", *own, f"-instance={self.instance}", *flags],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def grpc_address(self) -> str:
        """host:port of its gRPC front."""
        return str(self.wait_for(event="listening", front="grpc")["address"])

    @property
    def http_url(self) -> str:
        """Base URL of its REST front."""
        return "http://" + str(self.wait_for(event="listening", front="http")["address"])

    def wait_for(self, seconds: float = LISTEN_SECONDS, **wanted: object) -> dict[str, Any]:
        """The first line of log that has these fields."""
        with self._news:
            self._news.wait_for(lambda: self._find(wanted) or self._ended(), seconds)
            line = self._find(wanted)
            assert line, f"no {wanted} in the log; it ends with: {self.raw[-20:]}"
            return line

    def lines(self, **wanted: object) -> list[dict[str, Any]]:
        """All lines of log so far that have these fields."""
        with self._news:
            return [line for line in self.log if wanted.items() <= line.items()]

    def metric(self, sample: str) -> float:
        """Value of a sample of /metrics, 0 where it was never touched."""
        with urllib.request.urlopen(self.http_url + "/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(sample + " "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    def wait_until_ready(self, *languages: str) -> None:
        """Return when programs of these languages run; fail with the reason where an image failed."""
        deadline = time.monotonic() + IMAGES_SECONDS
        with grpc.insecure_channel(self.grpc_address) as channel:
            stub = CodeExecutorStub(channel)
            while missing := self._missing(stub, languages):
                assert time.monotonic() < deadline, f"images not ready in time: {missing}"
                time.sleep(0.2)

    def _missing(self, stub: CodeExecutorStub, languages: tuple[str, ...]) -> dict[str, str]:
        states = {
            language.name: language.versions[0]
            for language in stub.ListLanguages(pb.ListLanguagesRequest(), timeout=30).languages
        }
        kind = pb.LanguageVersion
        failed = {
            n: s.reason for n, s in states.items() if n in languages and s.state == kind.FAILED
        }
        assert not failed, f"images could not be made: {failed}"
        return {n: s.reason for n, s in states.items() if n in languages and s.state != kind.READY}

    def terminate(self) -> int:
        """SIGTERM, and wait for the end of the process. Returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end of the process and of its log. Returns the exit code."""
        code = self.process.wait(EXIT_SECONDS)
        self._reader.join(EXIT_SECONDS)
        self._folder.cleanup()
        return code

    def kill(self) -> None:
        """SIGKILL: no chance to clean up."""
        self.process.kill()
        self.wait()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            with self._news:
                self.raw.append(text.rstrip("\n"))
                if text.startswith("{"):
                    self.log.append(json.loads(text))
                self._news.notify_all()
        self.process.stderr.close()
        with self._news:
            self._news.notify_all()

    def _find(self, wanted: Mapping[str, object]) -> dict[str, Any] | None:
        return next((line for line in self.log if wanted.items() <= line.items()), None)

    def _ended(self) -> bool:
        return not self._reader.is_alive() or self.process.poll() is not None


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def running(
    engine: Engine, *flags: str, environment: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """A service that must end well: exit code 0 on SIGTERM, and no container of its own is left.

    A test that has ended the process itself is answerable for the exit code, never for containers.
    """
    service = Service(*flags, environment=environment)
    try:
        yield service
        if service.process.poll() is None:
            code = service.terminate()
            assert code == 0, f"exit code {code} after SIGTERM: {service.raw[-20:]}"
        left = engine.containers(service.instance)
        assert not left, f"containers left behind: {left}"
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.wait()
        if left := engine.containers(service.instance):
            engine.remove(*left)
