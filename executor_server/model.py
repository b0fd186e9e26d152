"""The values that the layers hand to each other. Nothing here knows gRPC, Docker or the agent's frames."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor_server.languages import Language, LanguageVersion


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked: made once by the edge, carried by every layer below it."""

    name: str
    """Identity that limits and fairness go by, for example ``"ip:127.0.0.1"``."""
    front: str
    """The way in: ``"grpc"`` or ``"rest"``."""


class Status(enum.Enum):
    """The verdict of a stage or of an execution. The names are those of the API."""

    OK = "OK"
    COMPILE_ERROR = "COMPILE_ERROR"
    RUNTIME_ERROR = "RUNTIME_ERROR"
    SIGNALED = "SIGNALED"
    TIMEOUT = "TIMEOUT"
    CPU_TIME_EXCEEDED = "CPU_TIME_EXCEEDED"
    MEMORY_EXCEEDED = "MEMORY_EXCEEDED"
    OUTPUT_EXCEEDED = "OUTPUT_EXCEEDED"
    CANCELLED = "CANCELLED"


class MeasuredBy(enum.Enum):
    """Where the figures of a usage come from."""

    CGROUP_V1 = "CGROUP_V1"
    CGROUP_V2 = "CGROUP_V2"
    RUSAGE = "RUSAGE"


class Stream(enum.IntEnum):
    """An output stream of a program, with its number in the agent's protocol."""

    STDOUT = 1
    STDERR = 2


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that is laid in the working directory before a command starts."""

    path: str
    """Relative, with ``/`` between components, already checked."""
    content: bytes
    executable: bool = False


# Engine shim, agent and container of a sandbox that waits, measured: 2.3 to 4.2.
IDLE_SANDBOX_MB = 5


@dataclass(frozen=True, slots=True)
class WaitingProcess:
    """A runtime that is started ahead and becomes the program when that is known."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    """Its whole environment, sorted."""
    memory_mb: int = 0
    """What it holds while it waits, in MiB."""


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What a sandbox is made from. Two commands with equal specs may use the same kind of sandbox."""

    image: str
    """Reference of an image that holds the agent."""
    memory_mb: int
    """Memory and swap together, in MiB."""
    cpus: float
    """Cores."""
    pids: int
    """Processes and threads."""
    box_mb: int
    """Size of the working directory's tmpfs in MiB."""
    tmp_mb: int
    """Size of /tmp in MiB."""

    waiting: WaitingProcess | None = None
    """What is started in it before its command is known."""

    @property
    def idle_mb(self) -> int:
        """What a sandbox of this spec holds while it waits, in MiB."""
        return IDLE_SANDBOX_MB + (self.waiting.memory_mb if self.waiting else 0)

    def can_become(self, other: SandboxSpec) -> bool:
        """A sandbox of this spec can be updated to the other one: they differ in memory and CPU only."""
        return replace(self, memory_mb=other.memory_mb, cpus=other.cpus) == other


@dataclass(frozen=True, slots=True)
class Command:
    """What one sandbox runs, once."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment of the program."""
    files: tuple[InputFile, ...]
    stdin: bytes
    wall_seconds: float
    cpu_seconds: float
    """0 for no limit but the wall's."""
    output_cap: int
    """Bytes of each of stdout and stderr that are sent on."""
    kill_on_overflow: bool
    collect: tuple[str, ...] = ()
    """Paths of files that are wanted after the end."""
    collect_cap: int = 0
    """Bytes of all collected files together."""
    program_is_theirs: bool = False
    """The request made what argv[0] stands for, or says where it is looked for: where that is no program,
    the command fails, and not the sandbox."""
    waiting: bool = False
    """The sandbox's waiting process becomes the program; False starts argv afresh."""


class Cause(enum.IntEnum):
    """Why a command ended, with its number in the agent's protocol."""

    EXITED = 0
    SIGNALED = 1
    WALL = 2
    CPU = 3
    OUTPUT = 4
    KILLED = 5


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended and what it cost. What could not be measured is None, never 0."""

    cause: Cause
    exit_code: int
    """128 + signal where a signal ended it."""
    signal: int
    """Number of the signal, 0 for none."""
    oom_kills: int | None
    """Processes that the memory limit killed."""
    wall_seconds: float
    cpu_seconds: float | None
    memory_peak_bytes: int | None
    stdout_total: int
    stderr_total: int
    measured_by: MeasuredBy
    collect_seconds: float


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that the command wrote."""

    stream: Stream
    data: bytes


class CollectState(enum.IntEnum):
    """What became of a file that was wanted, with its number in the agent's protocol."""

    SENT = 0
    MISSING = 1
    NOT_REGULAR = 2
    PAST_CAP = 3
    UNREADABLE = 4


@dataclass(frozen=True, slots=True)
class CollectedFile:
    """A file that was wanted after the end."""

    path: str
    state: CollectState
    size_bytes: int
    executable: bool
    content: bytes


@dataclass(frozen=True, slots=True)
class Running:
    """The command's image has been executed."""


SandboxEvent = Running | Output | CollectedFile | CommandResult
"""What one sandbox says, in this order: Running, Output*, CollectedFile*, CommandResult."""


class Overflow(enum.Enum):
    """What happens to output past its limit."""

    TRUNCATE = "TRUNCATE"
    KILL = "KILL"


class Encoding(enum.Enum):
    """How output is returned."""

    TEXT = "TEXT"
    BYTES = "BYTES"


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Limits of the run stage, defaults filled in."""

    timeout_seconds: float
    cpu_time_limit_seconds: float
    memory_limit_mb: int
    cpu_limit: float
    output_limit_bytes: int


@dataclass(frozen=True, slots=True)
class Program:
    """One checked request: a program and how it is to be run."""

    language: Language
    version: LanguageVersion
    code: bytes
    """Empty where files has the language's main file."""
    files: tuple[InputFile, ...]
    stdin: bytes
    args: tuple[str, ...]
    env: Mapping[str, str]
    limits: RunLimits
    overflow: Overflow
    encoding: Encoding

    def sources(self) -> tuple[InputFile, ...]:
        """Everything that lies in the working directory of both stages."""
        if not self.code:
            return self.files
        return (InputFile(self.language.file_name, self.code), *self.files)


@dataclass(frozen=True, slots=True)
class Stage:
    """One command in one sandbox, with its verdict."""

    status: Status
    result: CommandResult
    stdout: bytes = b""
    """The compiler's; empty in the run stage, whose output is events."""
    stderr: bytes = b""


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of an execution went, in seconds."""

    warm: bool = False
    """Every sandbox had waited before it was asked for."""
    compile_cached: bool = False
    """The artifact was made by an earlier execution."""
    queue_seconds: float = 0.0
    setup_seconds: float = 0.0
    compile_seconds: float = 0.0
    run_seconds: float = 0.0
    collect_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LanguageUsed:
    """What really ran."""

    name: str
    version: str
    image: str
    image_digest: str


@dataclass(frozen=True, slots=True)
class Started:
    """The execution has begun: it has an id, a place, and its language is known."""

    execution_id: str
    language: LanguageUsed


class StageName(enum.Enum):
    """The stages of an execution."""

    COMPILE = "compile"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class StageBegan:
    """A stage's command has started."""

    name: StageName


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """Output of the run, as it was asked for: text in UTF-8 whole across chunks, or bytes."""

    stream: Stream
    data: bytes
    """For TEXT: valid UTF-8."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an execution; the output itself went before it."""

    execution_id: str
    language: LanguageUsed
    status: Status
    compile: Stage | None
    run: Stage | None
    stdout_truncated: bool
    stderr_truncated: bool
    timings: Timings = field(default_factory=Timings)


ExecutionEvent = Started | StageBegan | OutputChunk | Outcome
"""What an execution says. Outcome comes last and exactly once."""
