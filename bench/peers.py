"""Other executors on the same machine, in turns with the service; those that are absent are left out.

Each runs a hello world in Python as its users would call it. They do not promise the same: go-judge
recycles its namespaces and runs the host's Python, llm-sandbox makes a container for each session. The
figures are theirs as installed, by default addresses (GO_JUDGE_URL, CODAPI_URL name others).
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

from bench import stats
from bench.results import PeerResult

if TYPE_CHECKING:
    from bench.engine import Laboratory
    from bench.session import Session

_PROBE_SECONDS = 2.0
_RUN_SECONDS = 60.0
_HOST_PYTHON = "/usr/bin/python3"
_WARM_UP = 2


class PeerError(Exception):
    """A peer did not print what the program prints."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One program as a peer ran it."""

    printed: str
    seconds: float
    """Until its output was there; what a peer tidies up after that is not counted."""


class Peer(Protocol):
    """Another executor."""

    name: str

    async def absent(self) -> str:
        """Why it cannot take part; empty where it can."""

    async def run(self, source: str) -> Ran:
        """Run a Python program. Raises PeerError, aiohttp.ClientError."""

    async def close(self) -> None:
        """Let go of whatever it holds."""


class _HttpPeer:
    """A peer that is a server; it must have been started."""

    def __init__(self, variable: str, default: str, probe: str) -> None:
        self._url = os.environ.get(variable, default).rstrip("/")
        self._probe = probe
        self._session = aiohttp.ClientSession()

    async def absent(self) -> str:
        timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
        try:
            async with self._session.get(self._url + self._probe, timeout=timeout):
                return ""
        except (aiohttp.ClientError, TimeoutError):
            return f"not installed, or not started: nothing answers at {self._url}"

    async def close(self) -> None:
        await self._session.close()

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[Any, float]:
        """The answer's document, and the seconds that it took."""
        timeout = aiohttp.ClientTimeout(total=_RUN_SECONDS)
        began = time.perf_counter()
        async with self._session.post(self._url + path, json=body, timeout=timeout) as answer:
            document = await answer.json()
        return document, time.perf_counter() - began


class GoJudge(_HttpPeer):
    """go-judge: POST /run with the command line and its files."""

    name = "go-judge"

    def __init__(self) -> None:
        """Connects at the first call."""
        super().__init__("GO_JUDGE_URL", "http://localhost:5050", "/version")

    async def run(self, source: str) -> Ran:
        """Run a Python program by the host's interpreter. Raises PeerError."""
        command = {
            "args": [_HOST_PYTHON, "main.py"],
            "env": ["PATH=/usr/bin:/bin"],
            "files": [
                {"content": ""},
                {"name": "stdout", "max": 10240},
                {"name": "stderr", "max": 10240},
            ],
            "cpuLimit": 10_000_000_000,
            "memoryLimit": 128 << 20,
            "procLimit": 50,
            "copyIn": {"main.py": {"content": source}},
        }
        results, seconds = await self._post("/run", {"cmd": [command]})
        if results[0].get("status") != "Accepted":
            raise PeerError(f"go-judge: {results}")
        return Ran(results[0]["files"]["stdout"], seconds)


class Codapi(_HttpPeer):
    """codapi: POST /v1/exec to a sandbox named python with a command named run."""

    name = "codapi"

    def __init__(self) -> None:
        """Connects at the first call."""
        super().__init__("CODAPI_URL", "http://localhost:1313", "/")

    async def run(self, source: str) -> Ran:
        """Run a Python program. Raises PeerError."""
        body = {"sandbox": "python", "command": "run", "files": {"": source}}
        result, seconds = await self._post("/v1/exec", body)
        if not result.get("ok"):
            raise PeerError(f"codapi: {result}")
        return Ran(result["stdout"], seconds)


class LlmSandbox:
    """llm-sandbox: a session, and so a container, for each program, in the service's own Python image."""

    name = "llm-sandbox"

    def __init__(self, laboratory: Laboratory, image: str) -> None:
        """``laboratory`` owns its containers, so that they leave with it."""
        self._settings: dict[str, Any] = {
            "lang": "python",
            "image": image,
            # The image stays, and nothing is installed into the container before the program.
            "keep_template": True,
            "skip_environment_setup": True,
            "runtime_configs": {
                "network_mode": "none",
                "user": "0:0",
                "labels": laboratory.owner().labels(image),
            },
        }

    async def absent(self) -> str:
        """Whether the package can be imported."""
        return "" if importlib.util.find_spec("llm_sandbox") else "not installed"

    async def run(self, source: str) -> Ran:
        """Run a Python program in a session of its own. Raises PeerError."""
        return await asyncio.to_thread(self._run, source)

    async def close(self) -> None:
        """Nothing is held between two programs."""

    def _run(self, source: str) -> Ran:
        package = importlib.import_module("llm_sandbox")
        began = time.perf_counter()
        with package.SandboxSession(**self._settings) as session:
            result = session.run(source)
            seconds = time.perf_counter() - began
        if result.exit_code:
            raise PeerError(f"llm-sandbox: {result}")
        return Ran(result.stdout, seconds)


async def measure_peers(session: Session) -> list[PeerResult]:
    """Every peer that is there, each in turns with the service over gRPC."""
    image = session.image("python")
    results = []
    peers: list[Peer] = [GoJudge(), Codapi(), LlmSandbox(session.laboratory, image)]
    for peer in peers:
        try:
            reason = await peer.absent()
            results.append(
                PeerResult(peer.name, left_out=reason) if reason else await _measure(session, peer)
            )
        except (PeerError, aiohttp.ClientError) as failure:
            results.append(PeerResult(peer.name, left_out=f"it fails: {failure}"))
        finally:
            await peer.close()
    return results


async def _measure(session: Session, peer: Peer) -> PeerResult:
    theirs: list[float] = []
    ours: list[float] = []
    async with session.service() as service:
        for number in range(_WARM_UP + session.scale.peer_rounds):
            seconds = await _run(session, peer)
            answer = await service.grpc.execute(session.reference)
            await asyncio.sleep(session.scale.pause)
            if number >= _WARM_UP:
                theirs.append(seconds)
                ours.append(answer.seconds)
    return PeerResult(
        peer.name,
        latency=stats.summary(theirs),
        service=stats.summary(ours),
        to_service=stats.ratio(theirs, ours),
    )


async def _run(session: Session, peer: Peer) -> float:
    source, expected = session.reference.submission()
    ran = await peer.run(source)
    if ran.printed != expected:
        raise PeerError(f"{peer.name} printed {ran.printed!r}, expected {expected!r}")
    return ran.seconds
