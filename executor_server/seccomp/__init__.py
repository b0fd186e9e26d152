"""The service's own seccomp profile, as the engine takes it.

policy.toml is its source and says why each system call is allowed or denied; profile.json is
generated from it by `python -m executor_server.seccomp` and committed.
"""

import hashlib
import json
import tomllib
from functools import cache
from importlib.resources import files

_HERE = files(__package__)


@cache
def profile_json() -> str:
    """The profile in one line of JSON, for HostConfig.SecurityOpt as `seccomp=<this>`."""
    profile = json.loads((_HERE / "profile.json").read_bytes())
    return json.dumps(profile, separators=(",", ":"))


def _version() -> str:
    number = tomllib.loads((_HERE / "policy.toml").read_text("utf-8"))["version"]
    digest = hashlib.sha256((_HERE / "profile.json").read_bytes()).hexdigest()
    return f"{number}-{digest[:12]}"


PROFILE_VERSION: str = _version()
"""The policy's number and the start of profile.json's digest: equal only for equal profiles."""
