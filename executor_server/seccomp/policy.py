"""The readable source, policy.toml, as values.

Conditions compare like SCMP_CMP_MASKED_EQ of libseccomp: seccomp_rule_add(3).
"""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

INT_MASK = 0xFFFF_FFFF
"""The bits that the kernel reads of an argument that it declares as int or unsigned int."""

GROUP_KEYS = {
    "allow": {"group", "reason", "syscalls"},
    "allow_if": {"group", "reason", "syscall", "any_of", "argument", "values"},
    "answer": {"group", "reason", "syscalls", "errno"},
    "deny": {"group", "reason", "syscalls"},
}
TABLES = {"version", "architectures", *GROUP_KEYS}


class PolicyError(ValueError):
    """policy.toml does not say what a policy must say; the text names the place."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds where `argument & mask == value`."""

    argument: int
    value: int
    mask: int = INT_MASK


@dataclass(frozen=True, slots=True)
class Group:
    """System calls that share one reason.

    `any_of` is empty, or lists alternatives of which one must hold; an alternative holds when all
    of its conditions do. `errno` names the answer to a call that is not allowed; None means EPERM.
    """

    name: str
    reason: str
    syscalls: tuple[str, ...]
    any_of: tuple[tuple[Condition, ...], ...] = ()
    errno: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """All of policy.toml. `architectures` maps the engine's name of each to libseccomp's."""

    version: int
    architectures: Mapping[str, str]
    allow: tuple[Group, ...]
    allow_if: tuple[Group, ...]
    answer: tuple[Group, ...]
    deny: tuple[Group, ...]


def load() -> Policy:
    """The policy of this package.

    Raises:
        PolicyError: a key is unknown, a reason is missing, or two tables speak of one system call.
    """
    return parse((files(__package__) / "policy.toml").read_text("utf-8"))


def parse(text: str) -> Policy:
    """The policy in `text`; errors as in `load`."""
    tables = tomllib.loads(text)
    _check_keys(tables)
    policy = Policy(
        version=tables["version"],
        architectures=tables["architectures"],
        allow=tuple(map(_plain, tables["allow"])),
        allow_if=tuple(map(_conditional, tables["allow_if"])),
        answer=tuple(map(_plain, tables["answer"])),
        deny=tuple(map(_plain, tables["deny"])),
    )
    _check_unique(policy)
    return policy


def _check_keys(tables: Mapping[str, Any]) -> None:
    if tables.keys() != TABLES:
        raise PolicyError(f"tables are {sorted(tables)}, expected {sorted(TABLES)}")
    for kind, known in GROUP_KEYS.items():
        for table in tables[kind]:
            place = f"[[{kind}]] {table.get('group', 'without a group')}"
            if unknown := table.keys() - known:
                raise PolicyError(
                    f"{place}: unknown keys {sorted(unknown)}, known are {sorted(known)}"
                )
            if not table.get("group") or not table.get("reason"):
                raise PolicyError(f"{place}: needs a group and a reason")


def _plain(table: Mapping[str, Any]) -> Group:
    syscalls = tuple(sorted(table["syscalls"]))
    return Group(table["group"], table["reason"], syscalls, errno=table.get("errno"))


def _conditional(table: Mapping[str, Any]) -> Group:
    if ("any_of" in table) == ("values" in table):
        raise PolicyError(f"[[allow_if]] {table['group']}: needs either any_of or values")
    any_of = (
        tuple(tuple(Condition(**c) for c in alternative) for alternative in table["any_of"])
        if "any_of" in table
        else tuple((Condition(table["argument"], value),) for value in table["values"].values())
    )
    return Group(table["group"], table["reason"], (table["syscall"],), any_of)


def _check_unique(policy: Policy) -> None:
    plain = (*policy.allow, *policy.answer, *policy.deny)
    names = [name for group in plain for name in group.syscalls]
    names += {name for group in policy.allow_if for name in group.syscalls}
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise PolicyError(f"named more than once: {', '.join(twice)}; leave each in one place")
