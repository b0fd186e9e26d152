"""The settings of a living container, as the engine knows them, against what they must be.

Written a second time here, apart from the profile: a setting that changes must be changed twice.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.conftest import Execute
from tests.engine import SLEEP, Engine, sleep_mark
from tests.service import ROOT, Service

MIB = 2**20


@pytest.fixture(scope="module")
async def living(execute: Execute, service: Service, engine: Engine) -> dict[str, Any]:
    """The container of a program that runs with limits of its own, inspected meanwhile."""
    mark = sleep_mark(8)
    call = asyncio.create_task(
        execute(
            "python", SLEEP, args=[mark], memory_limit_mb=200, cpu_limit=0.75, timeout_seconds=60
        )
    )
    while not (container := engine.running(service.instance, mark)):
        assert not call.done(), call.result()
        await asyncio.sleep(0.1)
    found = engine.inspect(container)
    assert (await call).exit_code == 0
    return found


def test_resources_are_those_of_the_request(living: dict[str, Any]) -> None:
    host = living["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 200 * MIB
    assert host["NanoCpus"] == 750_000_000
    assert host["PidsLimit"] == 64
    assert host["OomKillDisable"] is False
    assert host["OomScoreAdj"] == 500
    assert host["MemorySwappiness"] == 0


def test_nothing_can_be_gained(living: dict[str, Any]) -> None:
    host = living["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["Privileged"] is False
    options = dict(option.partition("=")[::2] for option in host["SecurityOpt"])
    options |= dict(o.split(":", 1) for o in host["SecurityOpt"] if "no-new" in o)
    assert options["no-new-privileges"] == "true"
    assert json.loads(options["seccomp"]) == own_profile()


def own_profile() -> dict[str, Any]:
    profile: dict[str, Any] = json.loads(
        (ROOT / "executor_server" / "seccomp" / "profile.json").read_text()
    )
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    return profile


def test_the_user_is_one_that_nobody_else_is(living: dict[str, Any]) -> None:
    uid, gid = map(int, living["Config"]["User"].split(":"))
    assert uid == gid
    assert 100_000 <= uid < 2**31
    assert not living["HostConfig"]["GroupAdd"]


def test_nothing_of_the_host_is_inside(living: dict[str, Any]) -> None:
    host = living["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert living["NetworkSettings"]["Ports"] == {}
    for name in ("Binds", "VolumesFrom", "Devices", "DeviceRequests", "Links", "Mounts", "Dns"):
        assert not host.get(name), name
    assert living["Mounts"] == []
    for name in ("PidMode", "UTSMode", "UsernsMode"):
        assert host[name] == "", name
    assert host["IpcMode"] == "private"
    assert host["CgroupnsMode"] in {"private", ""}


def test_the_files_of_the_image_are_read_only(living: dict[str, Any]) -> None:
    host = living["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert set(host["ReadonlyPaths"]) >= {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"}
    assert set(host["MaskedPaths"]) >= {
        "/proc/acpi",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/sys/firmware",
    }


def test_what_can_be_written_has_bounds(living: dict[str, Any]) -> None:
    host, uid = living["HostConfig"], living["Config"]["User"].partition(":")[0]
    assert set(host["Tmpfs"]) == {"/box", "/tmp"}
    for path, text in host["Tmpfs"].items():
        words = text.split(",")
        options = dict(word.partition("=")[::2] for word in words)
        assert {"nosuid", "nodev"} <= set(words)
        assert ("noexec" in words) == (path == "/tmp")
        assert (options["uid"], options["gid"], options["mode"]) == (uid, uid, "0700")
        assert 16 * MIB <= int(options["size"]) <= 128 * MIB
        assert int(options["nr_inodes"]) == 4096
    assert 16 * MIB <= host["ShmSize"] <= 64 * MIB


def test_ulimits(living: dict[str, Any]) -> None:
    limits = {limit["Name"]: limit["Hard"] for limit in living["HostConfig"]["Ulimits"]}
    assert limits["core"] == limits["memlock"] == limits["nice"] == limits["rtprio"] == 0
    assert 256 <= limits["nofile"] <= 1024
    assert 0 < limits["fsize"] <= 128 * MIB
    assert 0 < limits["msgqueue"] <= 64 * 1024
    assert limits["stack"] <= 256 * MIB
    assert "nproc" not in limits


def test_the_agent_is_all_that_is_started(living: dict[str, Any]) -> None:
    config = living["Config"]
    assert living["Path"] == "/.code-executor/agent"
    assert (config["Tty"], config["OpenStdin"], config["StdinOnce"]) == (False, True, True)
    assert (config["Hostname"], config["Domainname"]) == ("sandbox", "")
    assert config["WorkingDir"] == "/box"
    assert not config.get("Volumes")
    assert "TOKEN" not in json.dumps(config["Env"]).upper()


def test_it_goes_without_a_trace(living: dict[str, Any]) -> None:
    host = living["HostConfig"]
    assert host["AutoRemove"] is True
    assert host["LogConfig"]["Type"] == "none"
    assert host["RestartPolicy"]["Name"] in {"no", ""}


def test_labels_tell_whose_it_is(living: dict[str, Any], service: Service) -> None:
    labels = living["Config"]["Labels"]
    assert labels["code-executor"] == service.instance
    assert labels["code-executor.boot"]
    assert int(labels["code-executor.expires"]) > 0
    assert labels["code-executor.image"] == living["Config"]["Image"]
