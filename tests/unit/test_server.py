"""A server whose engine comes after it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from executor_server import server as server_module
from executor_server.engine.client import EngineClient
from executor_server.errors import EngineError
from executor_server.observer import Observer
from executor_server.server import ExecutorServer
from executor_server.settings import Settings

REMAPPED = {
    "NCPU": 64,
    "MemTotal": 2**40,
    "SecurityOptions": ["name=seccomp,profile=default", "name=userns"],
}


async def test_what_the_engine_is_counts_also_where_it_comes_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[dict[str, Any] | Exception] = [EngineError("info", "away"), REMAPPED]
    known = asyncio.Event()

    async def info(_: EngineClient) -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        known.set()
        return answer

    monkeypatch.setattr(EngineClient, "info", info)
    monkeypatch.setattr(server_module, "_SETTLE_SECONDS", 0.1)
    settings = Settings(grpc_port=0, compile_cache_mb=0, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    server = ExecutorServer(settings, Observer(), "")
    await server.start()
    try:
        assert not server._containers.remapped
        await asyncio.wait_for(known.wait(), 5)
        await asyncio.sleep(0)
        assert server._containers.remapped
        assert server._pool.limits.pace == 128
        assert server._scheduler._capacity.cpus == 128
        assert server._scheduler._capacity.memory_mb == 0.75 * 2**20
    finally:
        await server.stop()
