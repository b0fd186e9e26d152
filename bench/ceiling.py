"""The engine's own ceiling: single-use containers in a bare loop, with nothing around them.

Create, attach, start, the program, wait, remove: the same runtime and the same hardening profile as a
sandbox, but the program itself is the container's only process. No pool, no agent, no request.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from bench.engine import ContainerFailedError, read_to_end
from executor_server.engine.profile import container_config

if TYPE_CHECKING:
    from bench.engine import Laboratory
    from executor_server.model import SandboxSpec

CONCURRENCY = (1, 2, 4, 8)
_UID = 100_000
_WORD = "Hello"


class Ceiling:
    """The bare loop over one kind of sandbox."""

    def __init__(self, laboratory: Laboratory, spec: SandboxSpec) -> None:
        """``spec`` is what the service makes its own sandboxes of Python from."""
        self._laboratory = laboratory
        self._spec = spec

    async def one(self) -> None:
        """One container from nothing to nothing. Raises ContainerFailedError, EngineError."""
        laboratory = self._laboratory
        async with laboratory.made(self._config()) as container:
            stream = await laboratory.attach(container)
            try:
                await laboratory.start(container)
                printed = await read_to_end(stream)
                code = await laboratory.wait(container)
            finally:
                await stream.close()
        if code or printed.decode() != f"{_WORD}\n":
            raise ContainerFailedError(f"exit code {code}, printed {printed!r}")

    async def rate(self, concurrency: int, seconds: float) -> float:
        """Containers for each second, with this many under way at once."""
        began = time.perf_counter()
        counts = await asyncio.gather(*(self._until(began + seconds) for _ in range(concurrency)))
        return sum(counts) / (time.perf_counter() - began)

    async def _until(self, deadline: float) -> int:
        count = 0
        while time.perf_counter() < deadline:
            await self.one()
            count += 1
        return count

    def _config(self) -> dict[str, Any]:
        config = container_config(self._spec, self._laboratory.owner(), _UID, 0)
        config |= {
            "Entrypoint": ["python3"],
            "Cmd": ["-c", f"print({_WORD!r})"],
            "AttachStdin": False,
            "OpenStdin": False,
            "StdinOnce": False,
        }
        # It is removed by a call of its own, as the loop's last step.
        config["HostConfig"] = config["HostConfig"] | {"AutoRemove": False}
        return config
