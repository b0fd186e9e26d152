"""CPU and memory of processes and containers, read from /proc and the control groups of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024
# Index, after the command's name, of utime, stime, cutime and cstime in /proc/PID/stat: proc(5).
_UTIME, _CUTIME = 11, 13
_PPID = 1
SHIM = "containerd-shim"


class NotReadableError(Exception):
    """A figure cannot be had on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """CPU seconds of a process so far, user and system."""

    own: float
    """Of all its threads, also those that ended."""
    reaped: float
    """Of the children that it has waited for, and of theirs."""


def machine_busy_seconds() -> float:
    """CPU seconds of everything on this machine since it was booted: neither idle nor stolen."""
    fields = (_PROC / "stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, irq, softirq = (int(field) for field in fields[:7])
    return (user + nice + system + irq + softirq) * _TICK


def process_times(pid: int) -> ProcessTimes:
    """Raises NotReadableError where there is no such process."""
    fields = _stat(pid)
    own = (int(fields[_UTIME]) + int(fields[_UTIME + 1])) * _TICK
    reaped = (int(fields[_CUTIME]) + int(fields[_CUTIME + 1])) * _TICK
    return ProcessTimes(own, reaped)


def parent(pid: int) -> int:
    """Raises NotReadableError where there is no such process."""
    return int(_stat(pid)[_PPID])


def processes(name: str) -> list[int]:
    """Every process of this command name, of which the kernel keeps 15 bytes."""
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "comm").read_text().rstrip("\n") == name[:15]:
                    found.append(int(entry.name))
    return found


def engine_processes(socket_path: str) -> list[int]:
    """The engine and its containerd. Raises NotReadableError where they are not on this machine."""
    engine = _listener(socket_path)
    try:
        if (_PROC / str(engine) / "comm").read_text().rstrip("\n") != "dockerd":
            # A socket that an init system has opened for it.
            engine = processes("dockerd")[0]
    except (OSError, IndexError):
        raise NotReadableError("the engine's process is not to be seen in /proc") from None
    containerds = processes("containerd")
    own = [pid for pid in containerds if parent(pid) == engine]
    return [engine, *(own or containerds)]


def _listener(path: str) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(path)
        except OSError as failure:
            raise NotReadableError(f"the engine's socket {path}: {failure}") from failure
        size = struct.calcsize("3i")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", credentials)[0])


def resident_bytes(pid: int) -> int:
    """Resident set. Raises NotReadableError."""
    return _kibibytes(pid, "status", "VmRSS:")


def proportional_bytes(pid: int) -> int:
    """Resident set, of which each shared page counts by the number of those who share it."""
    return _kibibytes(pid, "smaps_rollup", "Pss:")


@dataclass(frozen=True, slots=True)
class ContainerGroup:
    """The control group of one container."""

    version: int
    memory: Path
    cpu: Path

    def memory_bytes(self) -> int:
        """What it uses without files that the kernel can drop: processes, kernel memory, tmpfs."""
        if self.version == 1:
            used = _number(self.memory / "memory.usage_in_bytes")
            stat = _fields(self.memory / "memory.stat")
            return used - stat["active_file"] - stat["inactive_file"]
        stat = _fields(self.memory / "memory.stat")
        return _number(self.memory / "memory.current") - stat["active_file"] - stat["inactive_file"]

    def siblings_cpu_seconds(self) -> float | None:
        """CPU of all containers of the engine, those that are gone included; None where it is not kept."""
        folder = self.cpu.parent
        if self.version == 1:
            return _number(folder / "cpuacct.usage") * 1e-9
        if folder.name.endswith(".slice"):
            # Shared with services of the machine, perhaps with the engine itself.
            return None
        return _fields(folder / "cpu.stat")["usage_usec"] * 1e-6


def container_group(pid: int) -> ContainerGroup:
    """The group of the container whose first process this is. Raises NotReadableError."""
    try:
        lines = (_PROC / str(pid) / "cgroup").read_text().splitlines()
    except OSError as failure:
        raise NotReadableError(f"process {pid}: {failure}") from failure
    paths = {
        controller: path.lstrip("/")
        for _, controllers, path in (line.split(":", 2) for line in lines)
        for controller in controllers.split(",")
    }
    if "memory" in paths:
        return ContainerGroup(
            1,
            _CGROUPS / "memory" / paths["memory"],
            _CGROUPS / "cpuacct" / paths["cpuacct"],
        )
    return ContainerGroup(2, _CGROUPS / paths[""], _CGROUPS / paths[""])


def available_bytes() -> int:
    """Memory of the machine that programs can still have."""
    return _fields(_PROC / "meminfo")["MemAvailable:"] * 1024


def total_mebibytes() -> int:
    """Memory of the machine."""
    return _fields(_PROC / "meminfo")["MemTotal:"] * 1024 // _MIB


def processor() -> str:
    """Model of the machine's processors."""
    for line in (_PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError as failure:
        raise NotReadableError(f"process {pid}: {failure}") from failure
    # The name, in parentheses, may hold anything.
    return text.rpartition(")")[2].split()


def _kibibytes(pid: int, file: str, key: str) -> int:
    try:
        lines = (_PROC / str(pid) / file).read_text().splitlines()
    except OSError as failure:
        raise NotReadableError(f"process {pid}: {failure}") from failure
    for line in lines:
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise NotReadableError(f"process {pid}: no {key} in {file}")


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except OSError as failure:
        raise NotReadableError(str(failure)) from failure


def _fields(path: Path) -> dict[str, int]:
    try:
        return dict(_pairs(path.read_text()))
    except OSError as failure:
        raise NotReadableError(str(failure)) from failure


def _pairs(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        name, value, *_ = line.split()
        yield name, int(value)
