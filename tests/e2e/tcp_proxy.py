"""An engine on TCP that can be taken away and given back: a relay to the real engine's socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from urllib.parse import urlsplit

DEFAULT_HOST = "unix:///var/run/docker.sock"


class TcpProxy:
    """Relays connections on a port of loopback, in a thread of its own."""

    def __init__(self) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Task[None]] = set()

    def give(self) -> str:
        """Listen, on the same port as before; returns the value for DOCKER_HOST."""
        self._call(self._listen())
        return f"tcp://127.0.0.1:{self.port}"

    def take_away(self) -> None:
        """Break every connection and listen no more."""
        self._call(self._close())

    def stop(self) -> None:
        """End for good."""
        self.take_away()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relays.add(task)
        try:
            engine_reader, engine_writer = await _connect()
            with contextlib.closing(engine_writer), contextlib.closing(writer):
                await asyncio.gather(_copy(reader, engine_writer), _copy(engine_reader, writer))
        except (OSError, asyncio.CancelledError):
            writer.close()
        finally:
            self._relays.discard(task)


async def _connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(os.environ.get("DOCKER_HOST") or DEFAULT_HOST)
    if address.scheme == "unix":
        return await asyncio.open_unix_connection(address.path)
    return await asyncio.open_connection(address.hostname, address.port)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()
