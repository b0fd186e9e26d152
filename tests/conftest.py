"""What tests of every kind share: the engine, and one real service on it.

Only tests that ask for ``engine`` need one; where none answers they fail and say what to do.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import Engine, EngineRefusedError
from tests.service import Service, running

FIRST_LANGUAGES = ("python", "c")


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine at DOCKER_HOST, or at its usual socket."""
    engine = Engine()
    try:
        engine.version()
    except (EngineRefusedError, OSError) as failure:
        pytest.fail(
            f"these tests need a container engine and none answers: {failure}. "
            "Start one, or set DOCKER_HOST; `make test` does it by itself.",
            pytrace=False,
        )
    return engine


@pytest.fixture(scope="session")
def service(engine: Engine) -> Iterator[Service]:
    """A service with both fronts on which Python and C run; other languages may still be built."""
    with running(engine) as started:
        started.wait_until_ready(*FIRST_LANGUAGES)
        yield started


@pytest.fixture(scope="session")
def grpc_address(service: Service) -> str:
    """host:port of the service's gRPC front."""
    return service.grpc_address


@pytest.fixture(scope="session")
def http_url(service: Service) -> str:
    """Base URL of the service's REST front."""
    return service.http_url
