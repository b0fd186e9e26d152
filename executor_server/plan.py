"""What is run in which kind of sandbox: the stages of a program, from its language's data and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor_server.image_values import State
from executor_server.languages import Sizing
from executor_server.model import Command, Overflow, SandboxSpec, WaitingProcess
from executor_server.scheduler import Claim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from executor_server.image_values import ImageState, SandboxImage
    from executor_server.images import ImageStore
    from executor_server.languages import CompileStage, Languages, RunStage, StageCommand
    from executor_server.model import InputFile, Program

COMPILER_OUTPUT_BYTES = 64 * 1024
ARTIFACT_BYTES = 64 * 1024 * 1024
# Large enough for the largest artifact together with the files of the request.
RUN_BOX_MB = 96
RUN_TMP_MB = 64

_MINIMAL_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/box",
    "PWD": "/box",
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
}


def compile_spec(stage: CompileStage, images: ImageState) -> SandboxSpec:
    """The sandbox of a compile stage: its limits are the language's, not the request's."""
    return SandboxSpec(
        image=_present(images.compile).ref,
        memory_mb=stage.memory_limit_mb,
        cpus=stage.cpu_limit,
        pids=stage.pids,
        box_mb=stage.box_mb,
        tmp_mb=stage.tmp_mb,
        waiting=_waiting(stage, _present(images.compile), stage.cpu_limit, stage.memory_limit_mb),
    )


def run_spec(stage: RunStage, images: ImageState, memory_mb: int, cpus: float) -> SandboxSpec:
    """The sandbox of a run stage."""
    return SandboxSpec(
        image=_present(images.run).ref,
        memory_mb=memory_mb,
        cpus=cpus,
        pids=stage.pids,
        box_mb=RUN_BOX_MB,
        tmp_mb=RUN_TMP_MB,
        waiting=_waiting(stage, _present(images.run), cpus, memory_mb),
    )


def _waiting(
    stage: StageCommand, image: SandboxImage, cpus: float, memory_mb: int
) -> WaitingProcess | None:
    if stage.waiting is None:
        return None
    sizing = Sizing(cpus, memory_mb)
    env = _environment(image, stage.environment(sizing))
    argv = tuple(sizing.fill(part) for part in stage.waiting.command)
    return WaitingProcess(argv, tuple(sorted(env.items())), stage.waiting.memory_mb)


def compile_command(program: Program, stage: CompileStage, images: ImageState) -> Command:
    """The compiler's command. Arguments, environment and input of the request are the run's alone."""
    sizing = Sizing(stage.cpu_limit, stage.memory_limit_mb)
    return Command(
        argv=stage.argv(sizing),
        env=_environment(_present(images.compile), stage.environment(sizing)),
        files=program.sources(),
        stdin=b"",
        wall_seconds=stage.timeout_seconds,
        cpu_seconds=0.0,
        output_cap=COMPILER_OUTPUT_BYTES,
        kill_on_overflow=False,
        waiting=stage.waiting is not None,
        collect=stage.artifact,
        collect_cap=ARTIFACT_BYTES,
    )


def run_command(program: Program, images: ImageState, artifact: tuple[InputFile, ...]) -> Command:
    """The program's own command."""
    limits, stage = program.limits, program.version.run
    sizing = Sizing(limits.cpu_limit, limits.memory_limit_mb)
    return Command(
        argv=stage.argv(sizing, program.args),
        env=_environment(_present(images.run), {**stage.environment(sizing), **program.env}),
        files=(*program.sources(), *artifact),
        stdin=program.stdin,
        wall_seconds=limits.timeout_seconds,
        cpu_seconds=limits.cpu_time_limit_seconds,
        output_cap=limits.output_limit_bytes,
        kill_on_overflow=program.overflow is Overflow.KILL,
        program_is_theirs=bool(artifact) or "PATH" in program.env,
        waiting=stage.waiting is not None and not stage.waiting.must_start_cold(program),
    )


def claim(program: Program) -> Claim:
    """What the execution may use at once: its stages follow one another."""
    limits, stage = program.limits, program.version.compile
    if stage is None:
        return Claim(limits.cpu_limit, limits.memory_limit_mb)
    return Claim(
        max(limits.cpu_limit, stage.cpu_limit), max(limits.memory_limit_mb, stage.memory_limit_mb)
    )


def default_specs(
    languages: Languages, images: ImageStore, memory_mb: int, cpus: float
) -> Iterator[SandboxSpec]:
    """The sandboxes that a request for a default version with default limits needs."""
    for language in languages:
        version = language.versions[0]
        state = images.state(language, version)
        if state.state is not State.READY:
            continue
        if version.compile is not None:
            yield compile_spec(version.compile, state)
        yield run_spec(version.run, state, memory_mb, cpus)


def _present(image: SandboxImage | None) -> SandboxImage:
    assert image is not None, "a version that is READY has the images of its stages"
    return image


def _environment(image: SandboxImage, own: Mapping[str, str]) -> dict[str, str]:
    return {**_MINIMAL_ENVIRONMENT, **image.env, **own}
