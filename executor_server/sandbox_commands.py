"""The commands of one execution, each in a sandbox of its own."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor_server.errors import SandboxStartError
from executor_server.model import CollectedFile, CommandResult, Output, Running, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from executor_server.model import Command, SandboxEvent, SandboxSpec
    from executor_server.pool import Pool
    from executor_server.sandbox import Sandbox

_ATTEMPTS = 2


class SandboxCommands:
    """Leases a sandbox for each command and adds up what it took to have it."""

    def __init__(self, pool: Pool) -> None:
        """Nothing is leased yet."""
        self._pool = pool
        self.setup_seconds = 0.0
        """From asking for a sandbox to the start of its command, of all commands."""
        self.warm = True
        """Every sandbox had waited."""

    async def events(
        self, spec: SandboxSpec, command: Command
    ) -> AsyncGenerator[tuple[SandboxEvent, Sandbox], None]:
        """What a command says, and where; a sandbox that breaks before it has started anything is replaced."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with aclosing(self._attempt(spec, command)) as events:
                    async for pair in events:
                        yield pair
            except SandboxStartError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    async def _attempt(
        self, spec: SandboxSpec, command: Command
    ) -> AsyncGenerator[tuple[SandboxEvent, Sandbox], None]:
        began = time.monotonic()
        async with self._pool.lease(spec) as (sandbox, warm):
            self.warm = self.warm and warm
            async with aclosing(sandbox.run(command)) as events:
                async for event in events:
                    if isinstance(event, Running):
                        self.setup_seconds += time.monotonic() - began
                    yield event, sandbox


@dataclass(slots=True)
class CompilerFold:
    """Everything that a compiler says, in memory: its output is capped by the agent."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    files: list[CollectedFile] = field(default_factory=list)
    last: CommandResult | None = None

    def take(self, event: SandboxEvent) -> None:
        """Add one event."""
        match event:
            case Output(Stream.STDOUT, data):
                self.stdout += data
            case Output(_, data):
                self.stderr += data
            case CollectedFile():
                self.files.append(event)
            case CommandResult():
                self.last = event

    @property
    def result(self) -> CommandResult:
        """How it ended."""
        assert self.last is not None, "a sandbox ends its events with a result, or raises"
        return self.last
