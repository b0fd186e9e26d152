"""Cold start: from the start of the service's process to its first answer, images present."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import grpc.aio

from bench import stats
from bench.fronts import GrpcFront, RefusedError
from bench.results import Start
from bench.service import Service

if TYPE_CHECKING:
    from bench.session import Session

_POLL_SECONDS = 0.005


async def measure_start(session: Session) -> Start:
    """Several starts, each of a process and an instance of its own."""
    return Start(stats.summary([await _once(session) for _ in range(session.scale.starts)]))


async def _once(session: Session) -> float:
    process = Service()
    try:
        front = GrpcFront(await process.address("grpc"))
        try:
            return await _first_answer(session, front) - process.began
        finally:
            await front.close()
    finally:
        await asyncio.shield(process.stop())
        for container in await session.laboratory.containers(process.instance):
            await session.laboratory.remove(container)


async def _first_answer(session: Session, front: GrpcFront) -> float:
    """The moment at which a program was answered; until then the service may say "not yet"."""
    while True:
        try:
            await front.execute(session.reference)
        except (RefusedError, grpc.aio.AioRpcError):
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return time.perf_counter()
