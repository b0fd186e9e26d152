"""The connection to the engine: where it is, how long it may take, and what its errors become."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiodocker
import aiohttp

from executor_server.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor_server.observer import Observer

_NO_HTTP_STATUS = 600
DEFAULT_HOST = "unix:///var/run/docker.sock"


class EngineAddressError(ValueError):
    """DOCKER_HOST cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where the engine is: the value of DOCKER_HOST and its TLS files."""

    host: str = DEFAULT_HOST
    cert_path: str | None = None
    """Folder with ca.pem, cert.pem and key.pem, for tcp with TLS."""


class EngineClient:
    """One session with the engine. Every call through ``call`` has a time limit and one kind of error."""

    def __init__(self, address: EngineAddress, observer: Observer) -> None:
        """Raise EngineAddressError where the address cannot be used. Connects at the first call."""
        self._observer = observer
        self._connector, url = _connector(address)
        self.docker = aiodocker.Docker(url=url, connector=self._connector)

    async def close(self) -> None:
        """Close every connection."""
        await self.docker.close()
        await self.docker.session.close()
        await self._connector.close()

    @contextlib.asynccontextmanager
    async def call(self, name: str, seconds: float = 30.0) -> Any:
        """Bound what is inside by ``seconds`` and raise EngineError for whatever the engine does wrong."""
        began = time.monotonic()
        error: str | None = None
        try:
            with _as_engine_error(name):
                async with asyncio.timeout(seconds):
                    yield
        except EngineError as failure:
            error = str(failure)
            raise
        finally:
            self._observer.engine_call(name, time.monotonic() - began, error)

    async def get_json(self, name: str, path: str, seconds: float = 30.0) -> Any:
        """GET a document of the engine's API."""
        async with self.call(name, seconds):
            return await self.docker._query_json(path)

    async def ping(self, seconds: float = 5.0) -> None:
        """Raise EngineError unless the engine answers."""
        async with self.call("ping", seconds), self.docker._query("_ping", versioned_api=False):
            pass

    async def info(self) -> dict[str, Any]:
        """What the engine says of itself and of its machine."""
        answer: dict[str, Any] = await self.get_json("info", "info")
        return answer


@contextlib.contextmanager
def _as_engine_error(name: str) -> Iterator[None]:
    try:
        yield
    except aiodocker.DockerError as failure:
        # aiodocker has a status of its own, 900, for an engine that cannot be reached.
        status = failure.status if failure.status < _NO_HTTP_STATUS else 0
        raise EngineError(name, str(failure.message), status) from failure
    except TimeoutError as failure:
        raise EngineError(name, "no answer in time") from failure
    except (aiohttp.ClientError, OSError) as failure:
        raise EngineError(name, _plain(failure)) from failure


def _plain(failure: Exception) -> str:
    return str(failure) or type(failure).__name__


def _connector(address: EngineAddress) -> tuple[aiohttp.BaseConnector, str]:
    """The connector and the URL that fits it.

    ``limit=0``: an attached stream holds its connection, so any bound on connections is a bound on
    sandboxes past which every other call waits for ever.
    """
    scheme, _, rest = address.host.partition("://")
    if scheme == "unix" and rest:
        return aiohttp.UnixConnector(path=rest, limit=0), "http://localhost"
    if scheme in {"tcp", "http", "https"} and rest:
        context = _tls(address.cert_path) if address.cert_path else None
        connector = aiohttp.TCPConnector(limit=0, ssl=context if context else True)
        secure = context is not None or scheme == "https"
        return connector, f"{'https' if secure else 'http'}://{rest}"
    if scheme == "ssh":
        raise EngineAddressError(
            f"DOCKER_HOST={address.host}: ssh is not supported; forward the socket "
            "(ssh -L /tmp/docker.sock:/var/run/docker.sock host) and use unix:///tmp/docker.sock"
        )
    raise EngineAddressError(
        f"DOCKER_HOST={address.host}: expected unix:///path/to/docker.sock or tcp://host:port"
    )


def _tls(folder: str) -> ssl.SSLContext:
    path = Path(folder)
    context = ssl.create_default_context(cafile=str(path / "ca.pem"))
    context.load_cert_chain(str(path / "cert.pem"), str(path / "key.pem"))
    return context
