"""Prometheus metrics, hung on the observer hook. Labels are bounded: languages and codes, never callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from executor_server.image_values import Step
from executor_server.observer import Observer

if TYPE_CHECKING:
    from executor_server.image_values import ImageProgress
    from executor_server.model import Caller
    from executor_server.observer import ExecutionRecord

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_BYTES = tuple(float(1 << shift) for shift in range(20, 31))


class MetricsObserver(Observer):
    """Counts what is observed, in a registry of its own."""

    def __init__(self) -> None:
        """Register every metric."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._executions = self._counter(
            "executions", "Executions that ended", "language", "status"
        )
        self._latency = self._histogram(
            "execution_seconds", "Parts of an execution's time", _SECONDS, "language", "part"
        )
        self._memory = self._histogram(
            "execution_memory_bytes", "Peak memory of runs", _BYTES, "language"
        )
        self._cpu = self._counter(
            "execution_cpu_seconds", "CPU time of stages", "language", "stage"
        )
        self._made = self._histogram(
            "sandbox_start_seconds", "Making a sandbox, until its agent is ready", _SECONDS
        )
        self._removed = self._histogram(
            "sandbox_removal_seconds",
            "From the end of a command until its sandbox is gone",
            _SECONDS,
            "how",
        )
        self._broken = self._counter("sandboxes_broken", "Sandboxes that broke")
        self._reaped = self._counter("containers_reaped", "Containers that nobody owned", "why")
        self._engine = self._histogram(
            "engine_call_seconds", "Calls to the engine", _SECONDS, "call"
        )
        self._engine_errors = self._counter(
            "engine_call_errors", "Calls to the engine that failed", "call"
        )
        self._refused = self._counter(
            "requests_refused", "Calls that ended with an error", "code", "reason"
        )
        self._waiting = Gauge(
            "code_executor_waiting", "Executions that wait for a place", registry=self.registry
        )
        self._running = Gauge(
            "code_executor_running", "Executions that have a place", registry=self.registry
        )
        self._serving = Gauge(
            "code_executor_serving", "1 where programs can be run", registry=self.registry
        )
        self._images = self._histogram(
            "image_build_seconds", "Making an image", (1, 5, 15, 30, 60, 120, 300, 900), "result"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"code_executor_{name}", text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"code_executor_{name}", text, labels, buckets=buckets, registry=self.registry
        )

    def execution_ended(self, record: ExecutionRecord) -> None:
        """Count it by language and status, with where its time went."""
        outcome, language = record.outcome, record.language
        self._executions.labels(language, record.status).inc()
        self._latency.labels(language, "total").observe(record.seconds)
        if outcome is None:
            return
        timings = outcome.timings
        parts = {"queue": timings.queue_seconds, "setup": timings.setup_seconds}
        if outcome.compile is not None:
            parts["compile"] = timings.compile_seconds
        if outcome.run is not None:
            parts["run"] = timings.run_seconds
        for part, seconds in parts.items():
            self._latency.labels(language, part).observe(seconds)
        for name, stage in (("compile", outcome.compile), ("run", outcome.run)):
            if stage is not None and stage.result.cpu_seconds is not None:
                self._cpu.labels(language, name).inc(stage.result.cpu_seconds)
        if outcome.run is not None and outcome.run.result.memory_peak_bytes is not None:
            self._memory.labels(language).observe(outcome.run.result.memory_peak_bytes)

    def engine_call(self, name: str, seconds: float, error: str | None) -> None:
        """Time every call; count those that failed."""
        self._engine.labels(name).observe(seconds)
        if error is not None:
            self._engine_errors.labels(name).inc()

    def sandbox_made(self, image: str, seconds: float) -> None:
        """Time it."""
        del image
        self._made.observe(seconds)

    def sandbox_removed(self, container: str, seconds: float, how: str) -> None:
        """Time it, by how it went."""
        del container
        self._removed.labels(how).observe(seconds)

    def sandbox_broken(self, image: str, error: str) -> None:
        """Count it."""
        del image, error
        self._broken.inc()

    def reaped(self, container: str, why: str) -> None:
        """Count it by reason."""
        del container
        self._reaped.labels(why).inc()

    def request_refused(self, caller: Caller | None, code: str, reason: str, message: str) -> None:
        """Count it by code and reason."""
        del caller, message
        self._refused.labels(code, reason).inc()

    def queue_changed(self, waiting: int, running: int) -> None:
        """Show both."""
        self._waiting.set(waiting)
        self._running.set(running)

    def service_state(self, serving: bool, reason: str) -> None:
        """Show it."""
        del reason
        self._serving.set(serving)

    def image_progress(self, progress: ImageProgress) -> None:
        """Time those that ended."""
        if progress.step is not Step.STARTED:
            self._images.labels(progress.step.value).observe(progress.seconds)
