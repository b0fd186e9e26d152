"""Turns requests into messages without holding up the others."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from google.protobuf.message import Message

from gateway.rules import Route
from gateway.transcoder import request_message

# What takes about as long as the way to another thread and back, or 15 ms for the worst of bodies.
MAX_INLINE_BYTES = 16 * 1024


class MessageReader:
    """Reads small bodies at once and larger ones in a thread.

    It is one thread, whatever comes: the interpreter runs one at a time, so that a second would take
    its share from the event loop, and the values of only one body are in memory.
    """

    def __init__(self) -> None:
        """Start nothing yet; the thread starts with the first large body."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="message-reader")

    async def read(self, route: Route, query: str, body: bytes) -> Message:
        """Build the request message.

        Raises:
            HttpError: as ``request_message``.
        """
        if len(body) <= MAX_INLINE_BYTES:
            return request_message(route, query, body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, request_message, route, query, body)

    def close(self) -> None:
        """Begin no further body."""
        self._thread.shutdown(wait=False, cancel_futures=True)
