"""The plain command in a process loop, in one long-lived container of the same image without limits."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engine import ContainerFailedError, read_to_end, workshop
from bench.programs import THEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.engine import Laboratory
    from bench.programs import Program
    from executor_server.engine.containers import AttachedStream

_SOURCE = Path(__file__).with_name("loop.c")
_STDOUT = 1
_COMPILE = (
    "sh",
    "-c",
    "head -c {size} >loop.c && gcc -O2 -static -o loop loop.c && cat loop",
)
# The loop itself is laid down by the container's shell: no archive call, no bind mount, no image.
_RECEIVE = 'head -c "$1" >/box/loop && chmod +x /box/loop && shift && exec /box/loop "$@"'


async def compile_loop(laboratory: Laboratory, image_of_c: str) -> bytes:
    """The loop as a static program, which runs in every image. Raises ContainerFailedError."""
    source = _SOURCE.read_bytes()
    command = (*_COMPILE[:2], _COMPILE[2].format(size=len(source)))
    async with laboratory.started(workshop(image_of_c, command, stdin=True)) as stream:
        await stream.write(source)
        return await read_to_end(stream)


@dataclass(slots=True)
class BareLoop:
    """A running loop for one program."""

    program: Program
    _stream: AttachedStream
    _buffer: bytearray

    async def run(self) -> float:
        """Run the plain command once on a new source; the seconds that it took by the loop's clock.

        Raises ContainerFailedError where it does not print what it should.
        """
        source, expected = self.program.submission()
        data = source.encode()
        await self._stream.write(b"%d\n" % len(data) + data)
        nanoseconds, status, size = (int(word) for word in (await self._line()).split())
        output = await self._take(size)
        if status or output.decode() != expected:
            raise ContainerFailedError(
                f"{self.program.shell}: exit code {status}, printed {output!r}"
            )
        return nanoseconds * 1e-9

    async def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            await self._more()
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        return line

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _more(self) -> None:
        piece = await self._stream.read()
        if piece is None:
            raise ContainerFailedError(f"the loop of {self.program.name} ended")
        source, data = piece
        if source != _STDOUT:
            raise ContainerFailedError(data.decode(errors="replace"))
        self._buffer += data


@contextlib.asynccontextmanager
async def bare_loop(
    laboratory: Laboratory, program: Program, image: str, loop: bytes
) -> AsyncIterator[BareLoop]:
    """A loop for this program in a container of ``image``, as long as the block runs."""
    command = f" {THEN} ".join(" ".join(command) for command in program.plain).split()
    argv = ("sh", "-c", _RECEIVE, "sh", str(len(loop)), program.file_name, *command)
    async with laboratory.started(workshop(image, argv, stdin=True)) as stream:
        await stream.write(loop)
        yield BareLoop(program, stream, bytearray())
