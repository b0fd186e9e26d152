"""The seccomp profile on the real engine, through the program `docker`.

Denied: every system call that the profile does not allow is made without a library between, once as
a sandbox makes it and once as root with every capability, where only the filter can be what refuses.
Allowed: for each language a program of its real needs is compiled and run under the profile, in the
image that the service made for it; and a C library of each kind, the core utilities, numpy.
"""

import errno
import shlex
import signal
import subprocess
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from executor_server.seccomp import profile_json
from executor_server.seccomp.policy import Group, Policy, load
from tests.libseccomp import number

ROOT = Path(__file__).parents[2]
MATERIAL = Path(__file__).parent / "seccomp"
NEEDS = MATERIAL / "needs"
LANGUAGES = sorted(path.parent.name for path in ROOT.glob("languages/*/language.toml"))
TEST_IMAGE = "code-executor-test/seccomp"
ANYTHING = 0xFFFF_FFFF_FFFF_FFFF  # no valid pointer, descriptor or flag: what passes does no harm
BEYOND_ALL_NUMBERS = 600

SANDBOX = (
    "--user=123456:123456",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=256",
    "--memory=2g",
    "--tmpfs=/box:exec,size=512m,mode=0700,uid=123456,gid=123456",
    "--tmpfs=/tmp:noexec,size=512m,mode=0700,uid=123456,gid=123456",
    "--workdir=/box",
    "--env=HOME=/box",
    "--env=LANG=C.UTF-8",
    *(
        f"--ulimit={limit}"
        for limit in ("core=0", "memlock=0", "nice=0", "rtprio=0", "nofile=1024")
    ),
)
# What the denied calls ask for. Not ALL: an engine that lacks one itself could not start that.
CAPABILITIES = (
    "DAC_READ_SEARCH IPC_LOCK NET_ADMIN NET_RAW SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE "
    "SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_TIME SYS_TTY_CONFIG"
)
ROOT_WITH_CAPABILITIES = (
    "--user=0:0",
    "--security-opt=no-new-privileges",
    *(f"--cap-add={capability}" for capability in CAPABILITIES.split()),
)


def docker(*arguments: str, stdin: str = "", seconds: float = 300) -> str:
    done = subprocess.run(
        ["docker", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


class Engine:
    """Containers of one engine, with the profile."""

    def __init__(self, profile: Path) -> None:
        self.profile = profile
        self.architecture = docker("version", "--format={{.Server.Arch}}").strip()
        docker(
            "build", "--quiet", "--network=host", f"--tag={TEST_IMAGE}", str(MATERIAL), seconds=900
        )

    def run(self, image: str, command: Sequence[str], stdin: str, options: Sequence[str]) -> str:
        return docker(
            "run", "--rm", "--interactive", "--network=none", "--read-only",
            f"--security-opt=seccomp={self.profile}", *options,
            f"--entrypoint={command[0]}", image, *command[1:], stdin=stdin,
        )  # fmt: skip

    def number(self, name: str) -> int:
        return number(name, self.architecture)

    def language_image(self, language: str) -> str:
        listing = "--format={{.Repository}}:{{.Tag}}"
        found = docker("image", "ls", listing, f"code-executor/{language}").splitlines()
        assert found, f"no image code-executor/{language} on the engine: start the service once"
        return found[0]

    def answers_by_name(self, wanted: Iterable[str], options: Sequence[str]) -> dict[str, str]:
        """How the kernel answers the calls that the architecture has and libseccomp knows."""
        known = {name: nr for name in wanted if (nr := self.number(name)) >= 0}
        calls = [[nr, *[ANYTHING] * 6] for nr in known.values()]
        return dict(zip(known, self.answers(calls, options), strict=True))

    def answers(self, calls: Sequence[Sequence[int]], options: Sequence[str]) -> list[str]:
        """How the kernel answers calls, each a number and arguments, as syscalls.c prints it."""
        lines = "".join(" ".join(map(hex, call)) + "\n" for call in calls)
        return self.run(TEST_IMAGE, ["syscalls"], lines, options).splitlines()


def names(*groups: Group) -> set[str]:
    return {name for group in groups for name in group.syscalls}


def stages(data: dict[str, Any]) -> list[list[str]]:
    """The commands of a language, for the machine that the tests give it."""
    env = data["run"].get("env", {}) | data.get("compile", {}).get("env", {})
    filled = {key: fill(value) for key, value in env.items()}
    commands = [data[stage]["command"] for stage in ("compile", "run") if stage in data]
    return [["env", *(f"{k}={v}" for k, v in filled.items()), *map(fill, c)] for c in commands]


def fill(text: str) -> str:
    return text.replace("{cpus}", "2").replace("{memory_mb}", "1024")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    profile = tmp_path_factory.mktemp("seccomp") / "profile.json"
    profile.write_text(profile_json(), "utf-8")
    return Engine(profile)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load()


@pytest.fixture(params=[SANDBOX, ROOT_WITH_CAPABILITIES], ids=["sandbox", "root"])
def options(request: pytest.FixtureRequest) -> tuple[str, ...]:
    chosen: tuple[str, ...] = request.param
    return chosen


def answered(code: int) -> str:
    return f"errno {code}"


EPERM = answered(errno.EPERM)
# Since Linux 6.14 no filter is asked about uretprobe and uprobe of amd64, which only the kernel's
# own trampolines may call; anybody else gets SIGILL or ENXIO, and nothing happens.
UNFILTERED = {335: f"signal {signal.SIGILL.value}", 336: answered(errno.ENXIO)}


def test_what_is_not_allowed_is_denied(
    engine: Engine, policy: Policy, options: Sequence[str]
) -> None:
    open_numbers = {engine.number(name) for name in names(*policy.allow, *policy.allow_if)}
    closed = [nr for nr in range(BEYOND_ALL_NUMBERS) if nr not in open_numbers]
    said = engine.answers([[nr, *[ANYTHING] * 6] for nr in closed], options)
    assert len(closed) > 250
    # runc answers ENOSYS to numbers past those of the profile
    permitted = {EPERM, answered(errno.ENOSYS), answered(errno.EINVAL)}
    given = dict(zip(closed, said, strict=True))
    assert not {nr: a for nr, a in given.items() if a not in permitted and a != UNFILTERED.get(nr)}


def test_denied_names_are_denied(engine: Engine, policy: Policy, options: Sequence[str]) -> None:
    given = engine.answers_by_name(names(*policy.deny), options)
    assert given == dict.fromkeys(given, EPERM)
    assert len(given) > 70


def test_answers_are_the_ones_that_programs_fall_back_on(
    engine: Engine, policy: Policy, options: Sequence[str]
) -> None:
    for group in policy.answer:
        given = engine.answers_by_name(names(group), options)
        assert given == dict.fromkeys(given, answered(getattr(errno, group.errno or "EPERM")))
        assert given or group.name == "young system calls"


UPPER_HALF = 0x1_0000_0000  # the kernel drops it of an int, so that a filter must as well


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("socket", (38, 5, 0)),  # AF_ALG
        ("socket", (UPPER_HALF + 38, 5, 0)),
        ("socket", (40, 1, 0)),  # AF_VSOCK
        ("socket", (33, 2, 10)),  # AF_RXRPC
        ("socket", (15, 3, 2)),  # AF_KEY
        ("socket", (17, 3, 0)),  # AF_PACKET
        ("socket", (44, 3, 0)),  # AF_XDP
        ("socket", (16, 3, 6)),  # NETLINK_XFRM
        ("socket", (16, 3, 12)),  # NETLINK_NETFILTER
        ("socket", (2, 3, 255)),  # raw
        ("socket", (2, 5, 132)),  # SCTP
        ("socket", (2, 1, 262)),  # MPTCP
        ("socketpair", (30, 5, 0, ANYTHING)),  # AF_TIPC
        ("clone", (0x1000_0011,)),  # CLONE_NEWUSER
        ("clone", (0x0002_0011,)),  # CLONE_NEWNS
        ("clone", (0x4000_0011,)),  # CLONE_NEWNET
        ("clone", (0x2000_0011,)),  # CLONE_NEWPID
        ("prlimit64", (1, 0, 0, 0)),
        ("prlimit64", (UPPER_HALF + 1, 0, 0, 0)),
        ("get_robust_list", (1, ANYTHING, ANYTHING)),
        ("personality", (0x0004_0000,)),  # ADDR_NO_RANDOMIZE
        ("ioctl", (0, 0x5412, ANYTHING)),  # TIOCSTI
        ("ioctl", (0, UPPER_HALF + 0x5412, ANYTHING)),
        ("ioctl", (0, 0x541C, ANYTHING)),  # TIOCLINUX
        ("ioctl", (0, 0x5423, ANYTHING)),  # TIOCSETD
        ("prctl", (22, 2, ANYTHING)),  # PR_SET_SECCOMP
        ("prctl", (59, 9, 0, 0, 0)),  # PR_SET_SYSCALL_USER_DISPATCH
    ],
)
def test_arguments_that_are_denied(
    engine: Engine, name: str, arguments: tuple[int, ...], options: Sequence[str]
) -> None:
    assert engine.answers([[engine.number(name), *arguments]], options) == [EPERM]


def test_arguments_that_are_allowed(engine: Engine) -> None:
    calls = {
        "tcp": ("socket", 2, 0x80801, 6),
        "udp over IPv6": ("socket", 10, 2, 17),
        "unix": ("socket", UPPER_HALF + 1, 1, 0),
        "netlink route": ("socket", 16, 3, 0),
        "own limits": ("prlimit64", 0, 0, 0, 0),
        "question": ("personality", 0xFFFF_FFFF),
        "dumpable": ("prctl", 3),
        "process": ("clone", signal.SIGCHLD.value),
    }
    numbers = [[engine.number(str(name)), *map(int, rest)] for name, *rest in calls.values()]
    said = engine.answers(numbers, SANDBOX)
    assert [a.split()[0] for a in said] == ["returned"] * len(calls), dict(
        zip(calls, said, strict=True)
    )


def test_other_numberings_of_calls_are_shut(engine: Engine) -> None:
    lines = "int80 20\n0x40000027\n"
    gate, x32 = engine.run(TEST_IMAGE, ["syscalls"], lines, SANDBOX).splitlines()
    killed, unknown = f"signal {signal.SIGSYS.value}", answered(errno.ENOSYS)
    assert gate == (killed if engine.architecture == "amd64" else unknown)
    assert x32 in {killed, unknown}


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("numpy.py", "cat > main.py; exec python3 main.py"),
        ("coreutils.sh", "cat > main.sh; exec sh main.sh"),
        ("coreutils.sh", "cat > main.sh; exec busybox sh main.sh"),
        ("c.c", "cat > main.c; musl-gcc -static -o program main.c && exec ./program"),
    ],
    ids=["numpy", "coreutils", "busybox", "musl"],
)
def test_tools_work(engine: Engine, program: str, command: str) -> None:
    source = (NEEDS / program).read_text("utf-8")
    assert engine.run(TEST_IMAGE, ["sh", "-c", command], source, SANDBOX).splitlines()[-1] == "ok"


@pytest.mark.parametrize("language", LANGUAGES)
def test_needs_of_a_language_are_met(engine: Engine, language: str) -> None:
    data = tomllib.loads((ROOT / "languages" / language / "language.toml").read_text("utf-8"))
    name = data["file_name"]
    source = NEEDS / f"{language}{Path(name).suffix}"
    assert source.exists(), f"{source} is missing: a program of what {language} asks of the kernel"
    steps = [["sh", "-c", f"cat > {name}"], *stages(data)]
    script = " && ".join(map(shlex.join, steps))
    image = engine.language_image(language)
    # Compiled programs run in the compiler's image here, which lacks what the run image has for them.
    hosts = f"--volume={ROOT}/languages/run/hosts:/usr/lib/code-executor/hosts:ro"
    said = engine.run(image, ["sh", "-c", script], source.read_text("utf-8"), (*SANDBOX, hosts))
    assert said.splitlines()[-1] == "ok"
