"""The document at /openapi.json against the service that it describes, by requests made from it.

Two rounds: requests as generated, which the service mostly refuses; and requests that keep what
does not decide whether a program runs, and so run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import schemathesis
from schemathesis import hooks
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
    SimpleCheckConfig,
)
from schemathesis.engine import StopReason, from_schema
from schemathesis.engine.events import EngineFinished, FatalError, NonFatalError, ScenarioFinished
from schemathesis.generation import GenerationMode

from tests.service import Service

TIMEOUT = "Grpc-Timeout"
CALL_SECONDS = 60
EXAMPLES = 100
EXECUTE = "POST /api/v1/execute"
ENUMS = {"output_encoding", "output_overflow"}
PROGRAM = "import os, sys; print(sys.argv, dict(os.environ), sys.stdin.buffer.read())"
# In place of those that were generated, which the service's settings would mostly refuse.
LIMITS = {
    "timeout_seconds": "2e1",
    "cpu_time_limit_seconds": 5,
    "memory_limit_mb": "64",
    "cpu_limit": 1.0,
    "output_limit_bytes": 64,
}
WELL_FORMED = re.compile("[0-9]{1,8}[HMSmun]")

OFF = SimpleCheckConfig(enabled=False)
# There is neither a login nor a resource that is made and deleted, so these have nothing to look at.
NOTHING_TO_CHECK = {
    "ignored_auth": OFF,
    "object_level_authorization": OFF,
    "use_after_free": OFF,
    "ensure_resource_availability": OFF,
}
# Value checks are the server's, because limits, languages and paths are settings and no schema: what
# fits the schema may be a bad request all the same. The second round is where it must be taken.
VALUES_ARE_NOT_IN_THE_SCHEMA = PositiveDataAcceptanceConfig(enabled=False)

Prepare = Callable[[Any, Any, Any], None]


class Round:
    """What one run of the generator asked for and was told."""

    def __init__(self, document: Any, prepare: Prepare) -> None:
        """Make every request; ``prepare`` changes each before it is sent."""
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.failures: list[str] = []
        schemathesis.hook("before_call")(prepare)
        try:
            for event in from_schema(document).execute():
                self._take(event)
        finally:
            hooks.unregister(prepare)

    def _take(self, event: Any) -> None:
        if isinstance(event, ScenarioFinished):
            self._take_scenario(event.label, event.recorder)
        elif isinstance(event, NonFatalError):
            self.failures.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, FatalError):
            raise event.exception
        elif isinstance(event, EngineFinished):
            assert event.stop_reason is StopReason.COMPLETED

    def _take_scenario(self, label: str | None, recorder: Any) -> None:
        for interaction in recorder.interactions.values():
            if interaction.response is not None:
                self.statuses[label or "", interaction.response.status_code] += 1
        for check in chain.from_iterable(recorder.checks.values()):
            if check.failure_info is not None:
                failure = check.failure_info
                self.failures.append(f"{label}: {failure.failure!r}\n{failure.code_sample}")

    def count(self, operation: str, *statuses: int) -> int:
        """Requests for an operation that were answered with one of these statuses."""
        return sum(
            n for (of, status), n in self.statuses.items() if of == operation and status in statuses
        )


def document_of(service: Service, modes: list[GenerationMode], **settings: Any) -> Any:
    """The service's document, with what is to be generated from it."""
    generation = GenerationConfig(
        modes=modes, max_examples=EXAMPLES, deterministic=True, no_shrink=True, database="none"
    )
    project = ProjectConfig(generation=generation, request_timeout=CALL_SECONDS, **settings)
    config = SchemathesisConfig(seed=1, projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_url(f"{service.http_url}/openapi.json", config=config)


def test_every_answer_is_as_documented(service: Service) -> None:
    checks = ChecksConfig(**NOTHING_TO_CHECK, positive_data_acceptance=VALUES_ARE_NOT_IN_THE_SCHEMA)
    document = document_of(service, list(GenerationMode), checks=checks)
    told = Round(document, allow_time)
    assert told.failures == []
    for operation in ("GET /api/v1/languages", "GET /health"):
        assert told.count(operation, 200) > EXAMPLES // 2
    for operation in (EXECUTE, "GET /api/v1/languages", "GET /health"):
        assert told.count(operation, 400) > 0
        assert told.count(operation, 405) > 0


def test_what_fits_and_is_a_program_runs(service: Service) -> None:
    checks = ChecksConfig(**NOTHING_TO_CHECK)
    document = document_of(service, [GenerationMode.POSITIVE], checks=checks)
    told = Round(document.include(operation_id="Execute"), run_something)
    assert told.failures == []
    assert told.count(EXECUTE, 200) >= EXAMPLES // 2


def allow_time(_context: Any, case: Any, _arguments: Any) -> None:
    """Give a well-formed deadline that is enough: one of a nanosecond would be an honest 504."""
    headers = case.headers or {}
    if WELL_FORMED.fullmatch(headers.get(TIMEOUT, "")):
        headers[TIMEOUT] = f"{CALL_SECONDS}S"


def run_something(context: Any, case: Any, arguments: Any) -> None:
    """Leave of a request what does not decide whether it runs, and make it a small program."""
    allow_time(context, case, arguments)
    if isinstance(case.body, dict):
        body = {name: value for name, value in case.body.items() if harmless(name, value)}
        limits = {name: value for name, value in LIMITS.items() if name in case.body}
        case.body = {**body, **limits, "language": "python", "code": PROGRAM}


def harmless(name: str, value: Any) -> bool:
    """Say whether the service must take this field, whatever else is asked for."""
    if name == "args":
        return not any("\0" in text for text in value or ())
    if name == "env":
        return all(key and not {"=", "\0"} & set(key + text) for key, text in (value or {}).items())
    # the number of an enum value that does not exist fits the schema
    return name == "input" or (name in ENUMS and isinstance(value, str))
