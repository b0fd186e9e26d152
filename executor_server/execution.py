"""One execution: compile where the language does, then run. Each stage is one command in one sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from executor_server.compile_cache import Compiled
from executor_server.errors import SandboxError, UnavailableError
from executor_server.image_values import State
from executor_server.model import (
    CollectedFile,
    CollectState,
    CommandResult,
    InputFile,
    LanguageUsed,
    Outcome,
    Output,
    OutputChunk,
    Running,
    Stage,
    StageBegan,
    StageName,
    Started,
    Status,
    Stream,
    Timings,
)
from executor_server.observer import CANCELLED, ExecutionRecord
from executor_server.output import OutputEncoder
from executor_server.plan import claim, compile_command, compile_spec, run_command, run_spec
from executor_server.sandbox_commands import CompilerFold, SandboxCommands
from executor_server.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from executor_server.compile_cache import CompileCache
    from executor_server.image_values import ImageState
    from executor_server.images import ImageStore
    from executor_server.languages import CompileStage
    from executor_server.model import (
        Caller,
        ExecutionEvent,
        Program,
    )
    from executor_server.observer import Observer
    from executor_server.pool import Pool
    from executor_server.scheduler import Scheduler

_RETRY_SECONDS = 5.0


class Executor:
    """Runs programs: takes a place, asks the pool for sandboxes, says what happens as events."""

    def __init__(
        self,
        scheduler: Scheduler,
        pool: Pool,
        images: ImageStore,
        cache: CompileCache,
        observer: Observer,
    ) -> None:
        """Put the layers below together."""
        self._scheduler = scheduler
        self._pool = pool
        self._images = images
        self._cache = cache
        self._observer = observer

    async def execute(
        self, program: Program, caller: Caller, deadline: float | None = None
    ) -> AsyncGenerator[ExecutionEvent, None]:
        """Run one program. The last event is an Outcome. Use it within ``aclosing``.

        ``deadline`` is the caller's, monotonic. Raises UnavailableError and DeadlineError where nothing
        was started, SandboxError and EngineError where the infrastructure broke.
        """
        state = self._ready(program)
        execution = _Execution(
            secrets.token_hex(16), program, caller, state, self._pool, self._cache
        )
        async with contextlib.AsyncExitStack() as stack:
            place = self._scheduler.place(caller, claim(program), deadline)
            execution.queued = await stack.enter_async_context(place)
            stack.enter_context(self._recorded(execution, caller))
            events = await stack.enter_async_context(aclosing(execution.events()))
            async for event in events:
                yield event

    def _ready(self, program: Program) -> ImageState:
        state = self._images.state(program.language, program.version)
        if state.state is State.READY:
            return state
        name = f"{program.language.name} {program.version.version}"
        raise UnavailableError(
            f"IMAGE_{state.state.name}",
            f"the image of {name} is not ready: {state.explain()}",
            _RETRY_SECONDS,
        )

    @contextlib.contextmanager
    def _recorded(self, execution: _Execution, caller: Caller) -> Iterator[None]:
        began = time.monotonic()
        error = ""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            error = CANCELLED
            raise
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}".rstrip(": ")
            raise
        finally:
            seconds = execution.queued + time.monotonic() - began
            self._observer.execution_ended(
                ExecutionRecord.of(
                    execution.id, caller, execution.program, execution.outcome, error, seconds
                )
            )


class _Execution:
    """The state of one execution, from its first stage to its outcome."""

    def __init__(
        self,
        identity: str,
        program: Program,
        caller: Caller,
        images: ImageState,
        pool: Pool,
        cache: CompileCache,
    ) -> None:
        self.id = identity
        self.program = program
        self._caller = caller
        self._cache = cache
        self._cached = False
        self.queued = 0.0
        self.outcome: Outcome | None = None
        self._images = images
        self._commands = SandboxCommands(pool)
        self._compiled: Stage | None = None
        self._artifact: tuple[InputFile, ...] = ()
        self._truncated = {Stream.STDOUT: False, Stream.STDERR: False}
        self._language = LanguageUsed(
            program.language.name,
            images.version,
            images.run.ref if images.run else "",
            images.run.digest if images.run else "",
        )

    async def events(self) -> AsyncGenerator[ExecutionEvent, None]:
        yield Started(self.id, self._language)
        if self.program.version.compile is not None:
            async with aclosing(self._compile(self.program.version.compile)) as compiling:
                async for event in compiling:
                    yield event
            if self._compiled is None or self._compiled.status is not Status.OK:
                yield self._end(Status.COMPILE_ERROR, None)
                return
        async with aclosing(self._run()) as running:
            async for event in running:
                yield event

    async def _compile(self, stage: CompileStage) -> AsyncGenerator[ExecutionEvent, None]:
        """The compiler's command, or what it made of the same source before."""
        spec = compile_spec(stage, self._images)
        command = compile_command(self.program, stage, self._images)
        images = [image.digest for image in (self._images.compile, self._images.run) if image]
        key = self._cache.key(self._caller, images, spec, command)
        if found := await self._cache.find(key):
            self._cached, self._compiled, self._artifact = True, found.stage, found.artifact
            return
        fold = CompilerFold()
        async with aclosing(self._commands.events(spec, command)) as events:
            async for event, _ in events:
                if isinstance(event, Running):
                    yield StageBegan(StageName.COMPILE)
                fold.take(event)
        result = fold.result
        status = verdict(result, cpu_limited=False)
        if status is Status.OK:
            status = self._keep(fold.files, stage)
        self._compiled = Stage(status, result, bytes(fold.stdout), bytes(fold.stderr))
        if status is Status.OK:
            await self._cache.keep(key, Compiled(self._compiled, self._artifact))

    def _keep(self, files: list[CollectedFile], stage: CompileStage) -> Status:
        if any(file.state is CollectState.PAST_CAP for file in files):
            return Status.OUTPUT_EXCEEDED
        lost = [file for file in files if file.state is not CollectState.SENT]
        if lost or len(files) != len(stage.artifact):
            # The compiler said that all was well: either it was fooled by the source, or the image is broken.
            raise SandboxError(f"the compiler made no {', '.join(stage.artifact)}: {lost}")
        self._artifact = tuple(InputFile(f.path, f.content, f.executable) for f in files)
        return Status.OK

    async def _run(self) -> AsyncGenerator[ExecutionEvent, None]:
        program = self.program
        limits, stage = program.limits, program.version.run
        spec = run_spec(stage, self._images, limits.memory_limit_mb, limits.cpu_limit)
        command = run_command(program, self._images, self._artifact)
        encoders = {s: OutputEncoder(program.encoding, command.output_cap) for s in Stream}
        killed = False
        async with aclosing(self._commands.events(spec, command)) as events:
            async for event, sandbox in events:
                if isinstance(event, Running):
                    yield StageBegan(StageName.RUN)
                elif isinstance(event, Output):
                    encoder = encoders[event.stream]
                    if data := encoder.feed(event.data):
                        yield OutputChunk(event.stream, data)
                    if encoder.full and command.kill_on_overflow and not killed:
                        killed = True
                        await sandbox.kill()
                elif isinstance(event, CommandResult):
                    result = event
        for stream, total in _totals(result):
            if data := encoders[stream].finish(total):
                yield OutputChunk(stream, data)
            self._truncated[stream] = encoders[stream].full
        overflowed = command.kill_on_overflow and any(self._truncated.values())
        status = (
            Status.OUTPUT_EXCEEDED
            if overflowed
            else verdict(result, cpu_limited=command.cpu_seconds > 0)
        )
        yield self._end(status, Stage(status, result))

    def _end(self, status: Status, run: Stage | None) -> Outcome:
        compiled = None if self._cached else self._compiled
        stages = [stage for stage in (compiled, run) if stage is not None]
        self.outcome = Outcome(
            execution_id=self.id,
            language=self._language,
            status=status,
            compile=self._compiled,
            run=run,
            stdout_truncated=self._truncated[Stream.STDOUT],
            stderr_truncated=self._truncated[Stream.STDERR],
            timings=Timings(
                warm=self._commands.warm,
                compile_cached=self._cached,
                queue_seconds=self.queued,
                setup_seconds=self._commands.setup_seconds,
                compile_seconds=self._compile_seconds(),
                run_seconds=run.result.wall_seconds if run else 0.0,
                collect_seconds=sum(stage.result.collect_seconds for stage in stages),
            ),
        )
        return self.outcome

    def _compile_seconds(self) -> float:
        if self._compiled is None or self._cached:
            return 0.0
        return self._compiled.result.wall_seconds


def _totals(result: CommandResult) -> tuple[tuple[Stream, int], tuple[Stream, int]]:
    return (Stream.STDOUT, result.stdout_total), (Stream.STDERR, result.stderr_total)
