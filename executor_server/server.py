"""Puts the layers together, serves gRPC, and takes everything down again in order."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_health.v1.health import aio as grpc_health_aio

from executor_server.compile_cache import CompileCache
from executor_server.engine.client import EngineAddress, EngineClient
from executor_server.engine.containers import Containers
from executor_server.engine.events import EngineEvents
from executor_server.engine.images import EngineImages
from executor_server.engine.profile import MIB
from executor_server.errors import EngineError
from executor_server.execution import Executor
from executor_server.health import Health
from executor_server.image_values import ImagePaths
from executor_server.images import ImageStore
from executor_server.language_file import load_languages
from executor_server.plan import default_specs
from executor_server.pool import Pool, PoolLimits
from executor_server.reaper import Reaper
from executor_server.sandboxes import Sandboxes
from executor_server.scheduler import Capacity, Scheduler
from executor_server.service.reflection import add_reflection
from executor_server.service.request import RequestReader
from executor_server.service.servicer import SERVICE, Servicer
from executor_server.settings import host_environment

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from executor_server.languages import Languages
    from executor_server.observer import Observer
    from executor_server.settings import Settings

TRACE_VERBOSITY = 3
# Few programs use all the CPU that they may: twice the cores are given out.
_CPU_OVERCOMMIT = 2.0
_MEMORY_SHARE = 0.75
_UNBOUNDED = 1_000_000
# Measured: more at once only adds latency.
_PACE_PER_CORE = 2
_DEFAULTS_SECONDS = 1.0
_FIT_SECONDS = 0.5
_SETTLE_SECONDS = 20.0
_CLEAR_SECONDS = 5.0
_CHANNEL_OPTIONS = (
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 2),
    ("grpc.so_reuseport", 0),
    ("grpc.max_send_message_length", -1),
)


class AddressInUseError(OSError):
    """The server cannot listen where it was told to."""


class ExecutorServer:
    """One server on one engine: start, drain, stop."""

    def __init__(self, settings: Settings, observer: Observer, gateway_token: str) -> None:
        """Reads the languages and the address of the engine; raises where they cannot be used."""
        self._settings = settings
        self._observer = observer
        self._gateway_token = gateway_token
        self._languages = load_languages(settings.languages_dir)
        self._tasks: set[asyncio.Task[None]] = set()
        address = EngineAddress(settings.docker_host, settings.docker_cert_path or None)
        self._engine = EngineClient(address, observer)
        paths = ImagePaths(settings.languages_dir, settings.agent_dir)
        self.images = ImageStore(
            EngineImages(self._engine), self._languages, paths, observer, host_environment()
        )
        self._cache = CompileCache(
            settings.compile_cache_dir.expanduser(),
            settings.compile_cache_mb * MIB,
            shared=settings.compile_cache_shared,
        )
        if reason := self._cache.open():
            observer.warn(reason)
        self.health = Health(self._engine, self.images, observer)
        self.port = 0
        """Port of gRPC that is really listened on, once started."""

    async def start(self) -> None:
        """Listen. Programs can be run as soon as ``health`` says so. Raises AddressInUseError."""
        found = await self._info()
        info = found or _this_machine()
        self._containers = Containers(
            self._engine, self._settings.instance_name(), remapped=_remaps_uids(info)
        )
        self._events = EngineEvents(self._engine, self._containers.boot)
        self._events.start()
        trace = self._settings.v >= TRACE_VERBOSITY
        self._sandboxes = Sandboxes(
            self._containers,
            self._events,
            self._observer,
            self.images.lost,
            longest_seconds=_longest_seconds(self._settings, self._languages),
            trace=trace,
        )
        limits = _pool_limits(self._settings, info)
        self._pool = Pool(self._sandboxes, limits, self._observer)
        self._scheduler = Scheduler(_capacity(self._settings, info), self._observer)
        self._reaper = Reaper(self._containers, self._sandboxes, self._observer)
        try:
            await self._serve()
        except AddressInUseError:
            await self._disconnect()
            raise
        self._in_background(self._reaper.run())
        self._in_background(self.images.keep_ready())
        self._in_background(self.health.run())
        self._in_background(self._pool.run())
        self._in_background(self._keep_defaults())
        if found is None:
            self._in_background(self._fit_the_engine())

    async def _keep_defaults(self) -> None:
        """What a request with default limits needs waits before the first one comes."""
        settings = self._settings
        while True:
            self._pool.keep(
                default_specs(
                    self._languages,
                    self.images,
                    settings.memory_limit_mb_default,
                    settings.cpu_limit_default,
                )
            )
            await asyncio.sleep(_DEFAULTS_SECONDS)

    async def _info(self) -> dict[str, Any] | None:
        """What the engine is; None from one that is not there yet, for which no server waits."""
        try:
            return await self._engine.info()
        except EngineError:
            return None

    async def _fit_the_engine(self) -> None:
        """One that was away at the start may be on another machine than this, and may map uids."""
        info = None
        while info is None:
            await asyncio.sleep(_FIT_SECONDS)
            info = await self._info()
        self._containers.remapped = _remaps_uids(info)
        self._pool.limits = _pool_limits(self._settings, info)
        self._scheduler.resize(_capacity(self._settings, info))

    async def _serve(self) -> None:
        options = [
            *_CHANNEL_OPTIONS,
            # A little above our own bound, so that the typed error wins.
            ("grpc.max_receive_message_length", self._settings.request_bytes_max + 1024 * 1024),
        ]
        self._grpc = grpc.aio.server(options=options)
        self._grpc.add_generic_rpc_handlers((self._servicer().handler(),))
        self._add_health()
        add_reflection(self._grpc, SERVICE.full_name, HEALTH_SERVICE)
        self.port = self._listen(f"{_bracketed(self._settings.host)}:{self._settings.grpc_port}")
        await self._grpc.start()

    def _servicer(self) -> Servicer:
        executor = Executor(self._scheduler, self._pool, self.images, self._cache, self._observer)
        reader = RequestReader(self._settings, self._languages, self.images)
        return Servicer(
            self._settings,
            reader,
            executor,
            self._languages,
            self.images,
            self.health,
            self._observer,
            self._gateway_token,
        )

    def _listen(self, address: str) -> int:
        try:
            port = self._grpc.add_insecure_port(address)
        except RuntimeError as failure:
            raise AddressInUseError(f"cannot listen on {address}: {failure}") from failure
        if port == 0:
            raise AddressInUseError(f"cannot listen on {address}")
        return int(port)

    def _add_health(self) -> None:
        servicer = grpc_health_aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, self._grpc)

        def tell(serving: bool) -> None:
            kind = health_pb2.HealthCheckResponse
            status = kind.SERVING if serving else kind.NOT_SERVING
            for name in ("", SERVICE.full_name):
                self._in_background(servicer.set(name, status))

        self.health.listen(tell)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._observer.internal_error("background", failure)

    async def drain(self) -> None:
        """Not serving from now on; returns when nothing runs any more, or the grace time is over."""
        self.health.drain()
        self._scheduler.drain()
        await self._scheduler.idle(self._settings.grace_seconds)

    async def stop(self) -> None:
        """End every call, then remove every sandbox. ``drain`` goes before it."""
        await self._grpc.stop(grace=1.0)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.close()
        await self._containers.settle(_SETTLE_SECONDS)
        await self._reaper.try_sweep()
        await self._reaper.wait_until_clear(_CLEAR_SECONDS)
        await self._disconnect()

    async def _disconnect(self) -> None:
        await self._events.stop()
        await self._engine.close()


def _this_machine() -> dict[str, Any]:
    """What the engine's info would say if it were here."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"NCPU": os.cpu_count() or 1, "MemTotal": memory}


def _remaps_uids(info: dict[str, Any]) -> bool:
    return any("userns" in option for option in info.get("SecurityOptions") or ())


def _pool_limits(settings: Settings, info: dict[str, Any]) -> PoolLimits:
    return PoolLimits(
        idle_memory_mb=settings.pool_memory_mb,
        pace=settings.pool_pace or _PACE_PER_CORE * int(info.get("NCPU", 1)),
    )


def _longest_seconds(settings: Settings, languages: Languages) -> float:
    stages = [v.compile for language in languages for v in language.versions if v.compile]
    return max([settings.timeout_seconds_max, *(stage.timeout_seconds for stage in stages)])


def _capacity(settings: Settings, info: dict[str, Any]) -> Capacity:
    memory_mb = int(_MEMORY_SHARE * info.get("MemTotal", 0)) // MIB
    return Capacity(
        places=settings.places or _UNBOUNDED,
        cpus=settings.cpu_budget or _CPU_OVERCOMMIT * info.get("NCPU", 1),
        memory_mb=settings.memory_budget_mb or memory_mb or _UNBOUNDED,
        queue_limit=settings.queue_limit,
        queue_seconds=settings.queue_seconds,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
