"""One container for each language, in which a program is observed cold and from a waiting process.

The container is as locked as a sandbox is: the engine's profile without its agent, whose part `harness.c`
plays. Every observation empties the working directory before it and kills every process after it.
"""

from __future__ import annotations

import secrets
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from executor_server import model, plan, seccomp
from executor_server.image_values import ImageState, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from executor_server.image_values import SandboxImage
    from executor_server.languages import CompileStage, Language


MEMORY_MB = 256
CPUS = 1.0
UID = 123456
OBSERVATION_SECONDS = 90.0

_LIMITS = model.RunLimits(10.0, 0.0, MEMORY_MB, CPUS, 1 << 20)
_TMPFS = f"rw,nosuid,nodev,size=64m,nr_inodes=4096,mode=0700,uid={UID},gid={UID}"


@dataclass(frozen=True)
class Program:
    """What is observed: files beside the main one, and what a request gives."""

    code: str | bytes
    files: dict[str, str | bytes] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    stdin: tuple[str | bytes, ...] = ()
    """Pieces that come 150 ms apart; the end comes as long after the last."""
    waited_ms: int = 0
    """How long the process waits for it."""


@dataclass(frozen=True)
class Observed:
    """All that the caller of a program would see, and how long it took."""

    stdout: str
    stderr: str
    exit_code: int
    """128 + signal where a signal ended it, as the agent says it."""
    seconds: float = field(compare=False)
    """From the handing over, or the start, to the end of the main process."""


@dataclass(frozen=True)
class Compiled:
    """All that a compile stage gives."""

    artifact: bytes
    stderr: str
    """And its stdout."""
    exit_code: int
    seconds: float = field(compare=False)


class Container:
    """A container of a language's image, for many observations one after the other."""

    def __init__(self, language: Language, image: SandboxImage, harness: Path) -> None:
        self._language, self._version = language, language.versions[0]
        self._images = ImageState(State.READY, image=image, run=image, compile=image)
        self._artifacts: dict[tuple[model.InputFile, ...], model.InputFile] = {}
        self._tag = f"code-executor-waiting/{language.name}:{secrets.token_hex(4)}"
        with tempfile.TemporaryDirectory() as folder:
            self._build(Path(folder), harness)
            self._id = self._start(Path(folder))

    def _build(self, folder: Path, harness: Path) -> None:
        assert self._images.run is not None
        recipe = f'FROM {self._images.run.ref}\nCOPY harness /harness\nENTRYPOINT ["/harness"]\n'
        (folder / "Dockerfile").write_text(recipe)
        shutil.copy(harness, folder / "harness")
        docker("build", "--tag", self._tag, str(folder))

    def _start(self, folder: Path) -> str:
        (folder / "seccomp.json").write_text(seccomp.profile_json())
        return docker(
            *("run", "--detach", "--read-only", "--network=none", f"--user={UID}:{UID}"),
            *("--cap-drop=ALL", "--security-opt=no-new-privileges:true"),
            f"--security-opt=seccomp={folder / 'seccomp.json'}",
            *(f"--tmpfs=/box:{_TMPFS},exec", f"--tmpfs=/tmp:{_TMPFS},noexec", "--workdir=/box"),
            *("--hostname=sandbox", f"--cpus={CPUS}", "--memory=512m", "--pids-limit=128"),
            *("--ulimit=core=0", "--ulimit=nofile=1024:1024", "--log-driver=none"),
            self._tag,
        ).strip()

    def remove(self) -> None:
        """End it, and remove the image that was made for it."""
        docker("rm", "--force", self._id)
        docker("rmi", self._tag)

    def cold(self, program: Program) -> Observed:
        """The plain command."""
        return self._observe(program, None)

    def waiting(self, program: Program) -> Observed:
        """The waiting process that becomes the program."""
        return self._observe(program, self._waiting())

    def waiting_for_another(self, argv: tuple[str, ...]) -> Observed:
        """What becomes of a waiting process that is told to run a command which it is not made for."""
        command = plan.run_command(self._request(Program("#")), self._images, ())
        return self._harness(replace(command, argv=argv), self._waiting()).observed()

    def _waiting(self) -> model.WaitingProcess | None:
        return plan.run_spec(self._version.run, self._images, MEMORY_MB, CPUS).waiting

    def must_start_cold(self, program: Program) -> bool:
        """Whether the language's data keep this program away from a waiting process."""
        return plan.run_command(self._request(program), self._images, ()).waiting is False

    def _observe(self, program: Program, waiting: model.WaitingProcess | None) -> Observed:
        request = self._request(program)
        command = plan.run_command(request, self._images, self._artifact(request))
        return self._harness(command, waiting, program.stdin, program.waited_ms).observed()

    def _artifact(self, request: model.Program) -> tuple[model.InputFile, ...]:
        """What the compile stage makes of it; nothing for a language without one."""
        stage = self._version.compile
        if stage is None:
            return ()
        sources = request.sources()
        if sources not in self._artifacts:
            compiled = self._compile(request, stage, None)
            assert compiled.status == 0, _text(compiled.stderr)
            self._artifacts[sources] = model.InputFile(stage.artifact[0], compiled.stdout)
        return (self._artifacts[sources],)

    def compile(self, program: Program, *, waiting: bool) -> Compiled:
        """The compile stage alone."""
        stage = self._version.compile
        assert stage is not None, f"{self._language.name} has no compile stage"
        process = plan.compile_spec(stage, self._images).waiting if waiting else None
        answer = self._compile(self._request(program), stage, process)
        return Compiled(answer.stdout, _text(answer.stderr), answer.status >> 8, answer.seconds)

    def _compile(
        self, request: model.Program, stage: CompileStage, waiting: model.WaitingProcess | None
    ) -> _Answer:
        """Its one artifact is on stdout: a shell adds it, after the compiler's own words."""
        command = plan.compile_command(request, stage, self._images)
        output = _then_print(stage.artifact[0])
        if waiting:
            waiting = replace(waiting, argv=(*output, *waiting.argv))
        else:
            command = replace(command, argv=(*output, *command.argv))
        return self._harness(command, waiting)

    def _harness(
        self,
        command: model.Command,
        waiting: model.WaitingProcess | None,
        stdin: tuple[str | bytes, ...] = (),
        waited_ms: int = 0,
    ) -> _Answer:
        message = (
            struct.pack("<I", waited_ms)
            + _strings([part for file in command.files for part in (file.path, file.content)])
            + _strings(waiting.argv if waiting else ())
            + _environment(waiting.env if waiting else ())
            + _strings(command.argv)
            + _environment(command.env)
            + _strings(stdin)
        )
        done = subprocess.run(
            ["docker", "exec", "--interactive", self._id, "/harness", "run"],
            input=message,
            capture_output=True,
            timeout=OBSERVATION_SECONDS,
            check=False,
        )
        assert done.returncode == 0, _text(done.stderr)
        return _Answer.of(done.stdout)

    def _request(self, program: Program) -> model.Program:
        return model.Program(
            language=self._language,
            version=self._version,
            code=_bytes(program.code),
            files=tuple(model.InputFile(n, _bytes(c)) for n, c in program.files.items()),
            stdin=b"",
            args=program.args,
            env=program.env,
            limits=_LIMITS,
            overflow=model.Overflow.TRUNCATE,
            encoding=model.Encoding.TEXT,
        )


def _then_print(artifact: str) -> tuple[str, ...]:
    return ("sh", "-c", f'"$@" >&2 && cat {artifact}', "sh")


@dataclass(frozen=True)
class _Answer:
    """What the harness says."""

    status: int
    """As waitpid gives it."""
    seconds: float
    stdout: bytes
    stderr: bytes

    @classmethod
    def of(cls, data: bytes) -> _Answer:
        status, nanoseconds, size = struct.unpack_from("<iqI", data)
        stdout, stderr = data[16 : 16 + size], data[20 + size :]
        return cls(status, nanoseconds / 1e9, stdout, stderr)

    def observed(self) -> Observed:
        code = 128 + (self.status & 0x7F) if self.status & 0x7F else self.status >> 8
        return Observed(_text(self.stdout), _text(self.stderr), code, self.seconds)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _environment(env: Mapping[str, str] | Iterable[tuple[str, str]]) -> bytes:
    return _strings([f"{name}={value}" for name, value in sorted(dict(env).items())])


def _strings(strings: Iterable[str | bytes]) -> bytes:
    encoded = [_bytes(string) for string in strings]
    parts = [struct.pack("<I", len(string)) + string for string in encoded]
    return struct.pack("<I", len(encoded)) + b"".join(parts)


def docker(*arguments: str) -> str:
    """What the program ``docker`` prints; it must succeed."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}{done.stdout}"
    return done.stdout
