"""``docker run`` of the same program in the same image: what one would do without a service."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING, Protocol

from bench.engine import ContainerFailedError, read_to_end, workshop

if TYPE_CHECKING:
    from bench.engine import Laboratory
    from bench.programs import Program


class DockerRun(Protocol):
    """A way to run a program in a container of its own."""

    how: str
    """What the report says of it."""

    async def run(self, program: Program, image: str) -> float:
        """Seconds from the command to the end of the output. Raises ContainerFailedError."""


def docker_run(laboratory: Laboratory) -> DockerRun:
    """By the command line where it is installed, else by the calls of the API that it makes."""
    return _ByCommand(laboratory) if shutil.which("docker") else _ByApi(laboratory)


def _script(program: Program, size: int) -> str:
    return f"cd /tmp && head -c {size} >{program.file_name} && {program.shell}"


def _check(program: Program, printed: str, expected: str) -> None:
    if printed != expected:
        raise ContainerFailedError(f"docker run of {program.name} printed {printed!r}")


class _ByCommand:
    how = "command line `docker run --rm -i --network none`"

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    async def run(self, program: Program, image: str) -> float:
        source, expected = program.submission()
        data = source.encode()
        labels = self._laboratory.owner().labels(image)
        flags = [f"--label={name}={value}" for name, value in labels.items()]
        script = ("--entrypoint=sh", image, "-c", _script(program, len(data)))
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *("docker", "run", "--rm", "-i", "--network=none", *flags, *script),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate(data)
        except asyncio.CancelledError:
            # Killed between its two calls it would leave a container that never starts.
            await process.wait()
            raise
        seconds = time.perf_counter() - began
        _check(program, out.decode() + err.decode(), expected)
        return seconds


class _ByApi:
    how = "the API's create, attach, start, remove (no docker command is installed)"

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    async def run(self, program: Program, image: str) -> float:
        source, expected = program.submission()
        data = source.encode()
        config = workshop(image, ("sh", "-c", _script(program, len(data))), stdin=True)
        began = time.perf_counter()
        async with self._laboratory.started(config) as stream:
            await stream.write(data)
            printed = await read_to_end(stream)
        seconds = time.perf_counter() - began
        _check(program, printed.decode(), expected)
        return seconds
