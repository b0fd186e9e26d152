"""Output of a program as the caller asked for it: bytes, or text that is whole across chunks, up to a limit."""

from __future__ import annotations

import codecs

from executor_server.model import Encoding


class OutputEncoder:
    """One stream of one program. The limit counts what is returned, after U+FFFD has replaced bytes."""

    def __init__(self, encoding: Encoding, limit_bytes: int) -> None:
        """At most ``limit_bytes`` come out in all."""
        self._left = limit_bytes
        self._taken = 0
        self._decoder = (
            codecs.getincrementaldecoder("utf-8")("replace") if encoding is Encoding.TEXT else None
        )
        self.full = False
        """Something did not fit."""

    def feed(self, data: bytes) -> bytes:
        """What can be returned now. A character that is not yet whole waits for its rest."""
        self._taken += len(data)
        if self._decoder is not None:
            data = self._decoder.decode(data).encode()
        return self._fit(data)

    def finish(self, total_bytes: int) -> bytes:
        """The last piece; ``total_bytes`` is what the program wrote, sent on or not.

        Where the agent dropped output, a character that was cut by that is dropped as well.
        """
        if total_bytes > self._taken:
            self.full = True
            return b""
        if self._decoder is None:
            return b""
        return self._fit(self._decoder.decode(b"", final=True).encode())

    def _fit(self, data: bytes) -> bytes:
        if self.full:
            return b""
        if len(data) > self._left:
            self.full = True
            data = data[: self._left]
            if self._decoder is not None:
                data = data.decode("utf-8", "ignore").encode()
        self._left -= len(data)
        return data
