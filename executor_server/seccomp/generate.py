"""Renders the policy to the profile that the engine takes.

The format is that of moby's profiles/seccomp (type Seccomp), whose rules are those of the OCI
runtime specification. A call that the policy denies gets no rule: the default action answers it. A
call that is allowed for some arguments gets a rule for each alternative. Equal policies give equal
bytes.
"""

import errno
import json
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from executor_server.seccomp.policy import Condition, Group, Policy, load

Rule: TypeAlias = dict[str, Any]


def render(policy: Policy) -> str:
    """The profile as JSON text, indented so that a diff of two versions can be read."""
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "archMap": [
            {"architecture": name, "subArchitectures": []} for name in policy.architectures.values()
        ],
        "syscalls": _rules(policy),
    }
    return json.dumps(profile, indent=1) + "\n"


def write() -> Path:
    """Writes profile.json beside policy.toml, and returns its path."""
    path = Path(str(files(__package__) / "profile.json"))
    path.write_text(render(load()), "utf-8")
    return path


def _rules(policy: Policy) -> list[Rule]:
    allowed = [_rule(group, "SCMP_ACT_ALLOW") for group in policy.allow]
    conditional = [
        _rule(group, "SCMP_ACT_ALLOW")
        | {"args": [_argument(condition) for condition in alternative]}
        for group in policy.allow_if
        for alternative in group.any_of
    ]
    answered = [
        _rule(group, "SCMP_ACT_ERRNO") | {"errnoRet": getattr(errno, group.errno or "EPERM")}
        for group in policy.answer
    ]
    return allowed + conditional + answered


def _rule(group: Group, action: str) -> Rule:
    return {"names": list(group.syscalls), "action": action, "comment": group.name}


def _argument(condition: Condition) -> Rule:
    # of SCMP_CMP_MASKED_EQ, `value` is the mask and `valueTwo` what the masked argument must be
    return {
        "index": condition.argument,
        "value": condition.mask,
        "valueTwo": condition.value,
        "op": "SCMP_CMP_MASKED_EQ",
    }
