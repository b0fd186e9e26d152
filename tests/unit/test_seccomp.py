"""The seccomp profile: generated, complete, and strict where an argument could fool a filter."""

import errno
import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

import pytest

from executor_server.seccomp import PROFILE_VERSION, generate, profile_json
from executor_server.seccomp.policy import Group, Policy, PolicyError, load, parse
from tests.libseccomp import UNKNOWN, number

PACKAGE = files("executor_server.seccomp")
POLICY = load()
PROFILE: dict[str, Any] = json.loads(profile_json())
ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"

# Younger than the oldest libseccomp that is supported (2.5.4), which does not know them.
YOUNG = """
    file_getattr file_setattr getxattrat listmount listns listxattrat lsm_get_self_attr
    lsm_list_modules lsm_set_self_attr mseal open_tree_attr removexattrat setxattrat statmount
    uprobe uretprobe
"""
# What a C library and the runtimes use where the older forms (open, fork, ...) do not exist.
CORE = """
    brk clock_gettime clone close_range dup3 epoll_create1 epoll_ctl epoll_pwait eventfd2 execve
    exit_group faccessat2 fcntl fstat futex getdents64 getrandom ioctl kill linkat lseek madvise
    mkdirat mmap mprotect munmap newfstatat openat openat2 pidfd_open pipe2 ppoll prctl pread64
    prlimit64 pselect6 read readlinkat renameat2 rseq rt_sigaction rt_sigprocmask rt_sigreturn
    sched_getaffinity sched_yield sendfile set_robust_list set_tid_address setsid sigaltstack
    signalfd4 socket statx symlinkat tgkill timerfd_create timerfd_settime unlinkat utimensat
    wait4 waitid write
"""


def names(groups: Iterable[Group]) -> set[str]:
    return {name for group in groups for name in group.syscalls}


def holds(condition: dict[str, Any], arguments: Sequence[int]) -> bool:
    assert condition["op"] == "SCMP_CMP_MASKED_EQ"
    return bool(arguments[condition["index"]] & condition["value"] == condition["valueTwo"])


def decide(name: str, *arguments: int) -> str | int:
    """ALLOW, or the errno that the profile answers; arguments are whole registers."""
    registers = (*arguments, *[0] * (6 - len(arguments)))
    for rule in PROFILE["syscalls"]:
        if name in rule["names"] and all(holds(c, registers) for c in rule.get("args", ())):
            return rule["action"] if rule["action"] == ALLOW else int(rule["errnoRet"])
    return int(PROFILE["defaultErrnoRet"])


def test_regenerating_changes_no_byte() -> None:
    assert generate.render(load()) == (PACKAGE / "profile.json").read_text("utf-8"), (
        "profile.json is not what policy.toml says: run python -m executor_server.seccomp"
    )


def test_profile_is_one_line_with_the_content_of_the_file() -> None:
    assert "\n" not in profile_json()
    assert json.loads((PACKAGE / "profile.json").read_bytes()) == PROFILE


def test_version_names_policy_and_content() -> None:
    policy_number, digest = PROFILE_VERSION.split("-")
    assert int(policy_number) == POLICY.version
    assert sha256((PACKAGE / "profile.json").read_bytes()).hexdigest().startswith(digest)


def test_what_is_not_named_fails_with_eperm() -> None:
    assert PROFILE["defaultAction"] == ERRNO
    assert PROFILE["defaultErrnoRet"] == errno.EPERM
    assert decide("no_such_call") == errno.EPERM


def test_only_the_native_64_bit_architectures() -> None:
    assert PROFILE["archMap"] == [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
    ]


def test_no_rule_twice() -> None:
    # Of two rules for one call the more general wins: an unconditional one opens it.
    rules = [
        (name, json.dumps(rule.get("args", [])))
        for rule in PROFILE["syscalls"]
        for name in rule["names"]
    ]
    assert len(rules) == len(set(rules))
    conditional = {name for name, args in rules if args != "[]"}
    assert not conditional & {name for name, args in rules if args == "[]"}


def test_no_rule_looks_at_one_argument_twice() -> None:
    # runc takes several conditions on one argument for alternatives, not for a conjunction.
    for rule in PROFILE["syscalls"]:
        indexes = [condition["index"] for condition in rule.get("args", ())]
        assert len(indexes) == len(set(indexes)), rule["comment"]


@pytest.mark.parametrize("name", sorted(names(POLICY.deny)))
def test_denied_call_has_no_rule(name: str) -> None:
    assert all(name not in rule["names"] for rule in PROFILE["syscalls"])


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone3", (), errno.ENOSYS),
        ("io_uring_setup", (), errno.ENOSYS),
        ("splice", (), errno.EINVAL),
        ("vmsplice", (), errno.EINVAL),
        ("clone", (0x3D0F00,), ALLOW),  # a thread of glibc
        ("clone", (0x4111,), ALLOW),  # posix_spawn: CLONE_VM | CLONE_VFORK | SIGCHLD
        ("clone", (0x1000_0011,), errno.EPERM),  # CLONE_NEWUSER
        ("clone", (0x4000_0011,), errno.EPERM),  # CLONE_NEWNET
        ("clone", (0x0002_0011,), errno.EPERM),  # CLONE_NEWNS
        ("prlimit64", (0,), ALLOW),
        ("prlimit64", (1,), errno.EPERM),
        ("personality", (0,), ALLOW),
        ("personality", (0xFFFF_FFFF,), ALLOW),
        ("personality", (0x0004_0000,), errno.EPERM),  # ADDR_NO_RANDOMIZE
        ("personality", (0x1_0004_0000,), errno.EPERM),
        ("ioctl", (0, 0x5401), ALLOW),  # TCGETS
        ("ioctl", (0, 0x5412), errno.EPERM),  # TIOCSTI
        ("ioctl", (0, 0x1_0000_5412), errno.EPERM),  # the kernel drops the upper half
        ("ioctl", (0, 0x541C), errno.EPERM),  # TIOCLINUX
        ("ioctl", (0, 0x5423), errno.EPERM),  # TIOCSETD
        ("prctl", (4,), ALLOW),  # PR_SET_DUMPABLE
        ("prctl", (22,), errno.EPERM),  # PR_SET_SECCOMP
        ("prctl", (0x1_0000_0016,), errno.EPERM),
        ("socket", (1, 5, 0), ALLOW),  # AF_UNIX
        ("socket", (2, 0x80801, 6), ALLOW),  # TCP, non-blocking, close-on-exec
        ("socket", (10, 2, 17), ALLOW),  # UDP over IPv6
        ("socket", (16, 3, 0), ALLOW),  # NETLINK_ROUTE
        ("socket", (16, 3, 6), errno.EPERM),  # NETLINK_XFRM
        ("socket", (2, 3, 255), errno.EPERM),  # SOCK_RAW
        ("socket", (2, 5, 0), errno.EPERM),  # SOCK_SEQPACKET: SCTP
        ("socket", (2, 1, 262), errno.EPERM),  # MPTCP
        ("socket", (38, 5, 0), errno.EPERM),  # AF_ALG
        ("socket", (0x1_0000_0026, 5, 0), errno.EPERM),
        ("socket", (40, 1, 0), errno.EPERM),  # AF_VSOCK
        ("socket", (17, 3, 0), errno.EPERM),  # AF_PACKET
        ("socketpair", (1, 1, 0), ALLOW),
        ("socketpair", (30, 5, 0), errno.EPERM),  # AF_TIPC
    ],
)
def test_decision(name: str, arguments: tuple[int, ...], expected: str | int) -> None:
    assert decide(name, *arguments) == expected


@pytest.mark.parametrize("name", ["kill", "tkill", "tgkill", "flock", "mknod", "sched_setaffinity"])
def test_left_open_on_purpose(name: str) -> None:
    assert decide(name) == ALLOW


@pytest.mark.parametrize("architecture", sorted(POLICY.architectures))
def test_every_name_is_one_of_a_system_call(architecture: str) -> None:
    everything = (*POLICY.allow, *POLICY.allow_if, *POLICY.answer, *POLICY.deny)
    unknown = {name for name in names(everything) if number(name, architecture) == UNKNOWN}
    assert unknown <= set(YOUNG.split())


@pytest.mark.parametrize("architecture", sorted(POLICY.architectures))
def test_core_is_allowed_on_each_architecture(architecture: str) -> None:
    permitted = names(POLICY.allow) | names(POLICY.allow_if)
    missing = {
        name for name in CORE.split() if name not in permitted or number(name, architecture) < 0
    }
    assert not missing


def policy_text(deny: str = "") -> str:
    allow = '[[allow]]\ngroup = "g"\nreason = "r"\nsyscalls = ["read"]\n'
    condition = (
        '[[allow_if]]\ngroup = "c"\nreason = "r"\nsyscall = "ioctl"\n'
        "argument = 1\nvalues = { TCGETS = 0x5401 }\n"
    )
    answer = '[[answer]]\ngroup = "a"\nreason = "r"\nerrno = "ENOSYS"\nsyscalls = ["clone3"]\n'
    deny = deny or '[[deny]]\ngroup = "d"\nreason = "r"\nsyscalls = ["bpf"]\n'
    return f'version = 7\n[architectures]\namd64 = "X"\n{allow}{condition}{answer}{deny}'


def test_policy_is_read_as_written() -> None:
    policy: Policy = parse(policy_text())
    assert policy.version == 7
    assert names(policy.allow_if) == {"ioctl"}
    [[condition]] = policy.allow_if[0].any_of
    assert (condition.argument, condition.value, condition.mask) == (1, 0x5401, 0xFFFF_FFFF)


@pytest.mark.parametrize(
    ("deny", "message"),
    [
        ('[[deny]]\ngroup = "d"\nreason = "r"\nsyscalls = ["read"]\n', "more than once: read"),
        ('[[deny]]\ngroup = "d"\nreason = "r"\nsyscalls = ["ioctl"]\n', "more than once: ioctl"),
        ('[[deny]]\ngroup = "d"\nsyscalls = ["bpf"]\n', "needs a group and a reason"),
        ('[[deny]]\ngroup = "d"\nreason = "r"\nsyscals = ["bpf"]\n', "unknown keys"),
        ('[[denied]]\ngroup = "d"\nreason = "r"\nsyscalls = ["bpf"]\n', "expected"),
    ],
)
def test_policy_that_contradicts_itself_is_refused(deny: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parse(policy_text(deny))
