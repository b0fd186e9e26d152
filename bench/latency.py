"""Latency of every language over both fronts, beside the bare command and ``docker run``, in turns."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from bench import stats
from bench.docker_run import docker_run
from bench.fronts import DEFAULT_LIMITS, ONE_CORE
from bench.results import AGAIN, BARE, DOCKER, GRPC, REST, Latency, Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bench.bare import BareLoop
    from bench.docker_run import DockerRun
    from bench.fronts import Front, Limits
    from bench.programs import Program
    from bench.scale import Scale
    from bench.service import RunningService
    from bench.session import Session

_T = TypeVar("_T")
_WARM_UP = 3


async def measure_latency(session: Session) -> AsyncIterator[Latency]:
    """Each program at each setting of limits, one after the other."""
    containers = docker_run(session.laboratory)
    async with session.service() as service:
        for program in session.programs():
            async with session.bare(program) as bare:
                for limits in (DEFAULT_LIMITS, ONE_CORE):
                    yield await _Turns(session, service, bare, containers, limits).measure()


async def measure_way(session: Session) -> Way:
    """A call that needs no sandbox, over gRPC and REST in turns."""
    times: dict[str, list[float]] = {GRPC: [], REST: []}
    async with session.service() as service:
        for number in range(session.scale.rounds_way):
            fronts: list[Front] = [service.grpc, service.rest]
            for front in _rotated(fronts, number):
                times[front.name].append(await front.health())
    return Way(
        stats.summary(times[GRPC]),
        stats.summary(times[REST]),
        stats.difference(times[REST], times[GRPC]),
    )


@dataclass(slots=True)
class _Turns:
    """One program at one setting of limits: everybody runs it once in each round."""

    session: Session
    service: RunningService
    bare: BareLoop
    containers: DockerRun
    limits: Limits
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    warm: list[bool] = field(default_factory=list)

    @property
    def program(self) -> Program:
        return self.bare.program

    async def measure(self) -> Latency:
        await self._warm_up()
        for number in range(rounds(self.session.scale, self.program)):
            await self._round(number)
        times = self.times
        return Latency(
            program=self.program.name,
            language=self.program.language,
            limits=self.limits.name,
            subjects={name: stats.summary(values) for name, values in times.items()},
            to_bare={
                name: stats.ratio(values, times[BARE])
                for name, values in times.items()
                if name != BARE
            },
            rest_added=stats.difference(times[REST], times[GRPC]),
            warm_share=sum(self.warm) / len(self.warm),
        )

    async def _warm_up(self) -> None:
        """The pool learns of these limits, files come into memory, interpreters are compiled."""
        for _ in range(_WARM_UP):
            await self.bare.run()
            for front in (self.service.grpc, self.service.rest):
                await front.execute(self.program, self.limits)
                await self._pause()
        await self.service.settle()

    async def _round(self, number: int) -> None:
        """Who begins changes from round to round, so that nobody always follows the same."""
        turns: list[Callable[[], Awaitable[None]]] = [self._bare, self._grpc, self._rest]
        few = number < self.session.scale.rounds_container
        if few and self.limits is DEFAULT_LIMITS:
            turns.append(self._container)
        for turn in _rotated(turns, number):
            await turn()

    async def _bare(self) -> None:
        self.times[BARE].append(await self.bare.run())

    async def _grpc(self) -> None:
        """A source that nobody has seen; where it is compiled, then the same again."""
        source = self.program.submission()
        for name in (GRPC, AGAIN) if self.program.compiled else (GRPC,):
            answer = await self.service.grpc.execute(self.program, self.limits, source)
            self.times[name].append(answer.seconds)
            self.warm.append(answer.warm)
            await self._pause()

    async def _rest(self) -> None:
        answer = await self.service.rest.execute(self.program, self.limits)
        self.times[REST].append(answer.seconds)
        self.warm.append(answer.warm)
        await self._pause()

    async def _container(self) -> None:
        image = self.session.image(self.program.language)
        self.times[DOCKER].append(await self.containers.run(self.program, image))
        await self._pause()

    async def _pause(self) -> None:
        """What an execution leaves to do (remove, refill) must not fall into the next one's turn."""
        await asyncio.sleep(self.session.scale.pause)


def rounds(scale: Scale, program: Program) -> int:
    """How often this program is run by everybody."""
    if program.compiled:
        return scale.rounds_compiled
    return scale.rounds_python if program.language == "python" else scale.rounds_interpreted


def _rotated(values: list[_T], number: int) -> list[_T]:
    start = number % len(values)
    return values[start:] + values[:start]
