"""The hardening profile: everything that a sandbox's container is created with, as one readable value.

The request decides only what SandboxSpec holds; no other field of a container can be reached from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor_server import seccomp

if TYPE_CHECKING:
    from executor_server.model import SandboxSpec

MIB = 1024 * 1024
AGENT_PATH = "/.code-executor/agent"
WORKING_DIRECTORY = "/box"

INSTANCE_LABEL = "code-executor"
BOOT_LABEL = "code-executor.boot"
EXPIRES_LABEL = "code-executor.expires"
IMAGE_LABEL = "code-executor.image"

# The engine's own list, which a list of ours replaces, and what leaks hardware or other tenants.
MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/class",
    "/sys/devices/virtual/dmi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who made a container and until when it may live."""

    instance: str
    boot: str
    expires: int
    """Unix time, seconds."""

    def labels(self, image: str) -> dict[str, str]:
        """Labels that the reaper goes by."""
        return {
            INSTANCE_LABEL: self.instance,
            BOOT_LABEL: self.boot,
            EXPIRES_LABEL: str(self.expires),
            IMAGE_LABEL: image,
        }


def container_config(
    spec: SandboxSpec, owner: Owner, uid: int, idle_seconds: int
) -> dict[str, Any]:
    """Body of the engine's create call for one sandbox."""
    return {
        "Image": spec.image,
        "Entrypoint": [AGENT_PATH],
        "Cmd": [str(idle_seconds), *(spec.waiting.argv if spec.waiting else ())],
        "Env": [f"{k}={v}" for k, v in spec.waiting.env] if spec.waiting else [],
        # A random uid: limits that the kernel counts by uid (pipes, inotify) never meet.
        "User": f"{uid}:{uid}",
        "WorkingDir": WORKING_DIRECTORY,
        "Hostname": "sandbox",
        "Domainname": "",
        "NetworkDisabled": True,
        "Labels": owner.labels(spec.image),
        # StdinOnce: where the server dies, the agent's input ends, and it kills everything and exits.
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": False,
        "StopSignal": "SIGKILL",
        "StopTimeout": 0,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(spec, uid),
    }


def _host_config(spec: SandboxSpec, uid: int) -> dict[str, Any]:
    return {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", f"seccomp={seccomp.profile_json()}"],
        "Privileged": False,
        "Init": False,
        "AutoRemove": True,
        "RestartPolicy": {"Name": "no"},
        # Logs of a flooding program would fill the host's disk outside every limit.
        "LogConfig": {"Type": "none"},
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "ShmSize": spec.tmp_mb * MIB,
        "MaskedPaths": list(MASKED_PATHS),
        "Tmpfs": {
            WORKING_DIRECTORY: _tmpfs(spec.box_mb, uid, "exec"),
            "/tmp": _tmpfs(spec.tmp_mb, uid, "noexec"),  # noqa: S108
        },
        "Ulimits": _ulimits(spec),
        "OomScoreAdj": 500,
        "OomKillDisable": False,
        "MemorySwappiness": 0,
        "PidsLimit": spec.pids,
        **resources(spec),
    }


def resources(spec: SandboxSpec) -> dict[str, int]:
    """What an update can change in a running container. Swap equals memory: there is none."""
    return {
        "Memory": spec.memory_mb * MIB,
        "MemorySwap": spec.memory_mb * MIB,
        "NanoCpus": round(spec.cpus * 1e9),
    }


def _tmpfs(size_mb: int, uid: int, execution: str) -> str:
    # nr_inodes: without it, empty files end in an out-of-memory kill instead of ENOSPC.
    return (
        f"rw,nosuid,nodev,{execution},size={size_mb * MIB},nr_inodes=4096,"
        f"mode=0700,uid={uid},gid={uid}"
    )


def _ulimits(spec: SandboxSpec) -> list[dict[str, int | str]]:
    # No nproc: the kernel counts it by uid over the whole host; PidsLimit is the real bound.
    limits = {
        "core": (0, 0),
        "fsize": (spec.box_mb * MIB, spec.box_mb * MIB),
        "memlock": (0, 0),
        "msgqueue": (64 * 1024, 64 * 1024),
        "nice": (0, 0),
        "nofile": (1024, 1024),
        "rtprio": (0, 0),
        "stack": (8 * MIB, 256 * MIB),
    }
    return [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in limits.items()]
