"""Programs that really run in ready images: an older distribution, and busybox alone.

What the service gives to a program must not depend on what the image has: no C library, no bash and no
Python are asked of it, and its own user, working directory and entry point do not count.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from code_executor import Status
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub

from tests.contract.fronts import GrpcFront, RefusedError
from tests.e2e.images.ready import BUSYBOX
from tests.engine import Engine
from tests.service import IMAGES_SECONDS, Service, running

# In an image without a compiler: what checks the source and writes a program is one.
_CHECKED = f"""\
name = "checked"
file_name = "main.sh"
example = "example.sh"
example_output = "Hello\\n"

[compile]
command = ["sh", "-c", '''
sh -n main.sh && {{ echo '#!/bin/sh'; cat main.sh; }} > program && chmod +x program
''']
artifact = ["program"]
timeout_seconds = 10.0
memory_limit_mb = 32
cpu_limit = 1.0
box_mb = 16
tmp_mb = 16
pids = 16

[run]
command = ["./program"]
pids = 16

[[versions]]
image = "{BUSYBOX}"
version = "1"
version_command = ["sh", "-c", "busybox | {{ read -r _ v _; echo ${{v#v}}; }}"]
"""
_ASKED_OF_PYTHON = """
import os, platform, sys
print(platform.python_version(), sys.argv[1:], os.environ["WHO"], open("f/note.txt").read(), input())
print(os.getcwd(), os.environ["HOME"], os.getuid() >= 100_000)
"""
_ASKED_OF_BUSYBOX = """
echo "$1 $WHO $(cat f/note.txt) $(cat)"
echo "$PWD $HOME $(readlink /bin/sh) $(ls /lib /usr/bin/bash /usr/bin/python3 2>/dev/null)"
echo again > /dev/stdout
echo wrong >&2
exit 3
"""
GIVEN = {
    "args": ["zwölf"],
    "env": {"WHO": "grüß"},
    "files": [{"path": "f/note.txt", "text": "note"}],
    "input": "ein\n",
}


@pytest.fixture(scope="module")
def ready_service(
    engine: Engine, ready_languages: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that knows Python in two versions, the shell of busybox, and what that compiles."""
    folder = tmp_path_factory.mktemp("running") / "languages"
    shutil.copytree(ready_languages, folder)
    (folder / "checked").mkdir()
    (folder / "checked" / "language.toml").write_text(_CHECKED)
    (folder / "checked" / "example.sh").write_text("echo Hello\n")
    with running(engine, f"-languages-dir={folder}") as service:
        _wait_until_all_are_ready(service)
        yield service


def _wait_until_all_are_ready(service: Service) -> None:
    deadline = time.monotonic() + IMAGES_SECONDS
    with grpc.insecure_channel(service.grpc_address) as channel:
        stub = CodeExecutorStub(channel)
        while missing := _missing(stub.ListLanguages(pb.ListLanguagesRequest(), timeout=30)):
            assert time.monotonic() < deadline, f"images not ready in time: {missing}"
            time.sleep(0.2)


def _missing(listed: pb.ListLanguagesResponse) -> list[str]:
    kind = pb.LanguageVersion
    versions = [version for language in listed.languages for version in language.versions]
    failed = [version.reason for version in versions if version.state == kind.FAILED]
    assert not failed
    return [version.image for version in versions if version.state != kind.READY]


@pytest.fixture(scope="module")
async def front(ready_service: Service) -> AsyncIterator[GrpcFront]:
    async with grpc.aio.insecure_channel(ready_service.grpc_address) as channel:
        yield GrpcFront(channel)


@pytest.mark.parametrize(
    ("wanted", "ran"),
    [("", "3.13."), ("3", "3.13."), ("3.13", "3.13."), ("3.11", "3.11.")],
    ids=["default", "prefix", "of a recipe", "of an older distribution"],
)
async def test_a_version_selects_what_runs(front: GrpcFront, wanted: str, ran: str) -> None:
    code = {"language": "python", "version": wanted, "code": _ASKED_OF_PYTHON}
    answer = await front.execute({**code, **GIVEN})
    assert (Status.Name(answer.status), answer.stderr) == ("OK", "")
    version, _, rest = answer.stdout.partition(" ")
    assert version.startswith(ran)
    assert rest == "['zwölf'] grüß note ein\n/box /box True\n"
    assert answer.language.version == version
    assert answer.language.image.startswith(f"code-executor/python:{ran[:-1]}-")


async def test_a_whole_version_can_be_asked_for(front: GrpcFront) -> None:
    whole = (await front.execute({"language": "py", "version": "3.11", "code": "1"})).language
    again = await front.execute({"language": "py", "version": whole.version, "code": "1"})
    assert again.language == whole


async def test_a_version_that_nobody_has_names_all_that_are_there(front: GrpcFront) -> None:
    with pytest.raises(RefusedError, match=r"installed are 3\.13\.\d+, 3\.11\.\d+") as caught:
        await front.execute({"language": "python", "version": "3.1", "code": "1"})
    assert caught.value.violations == (("version", "UNKNOWN_VERSION"),)


async def test_busybox_alone_runs_a_program(front: GrpcFront) -> None:
    answer = await front.execute({"language": "ash", "code": _ASKED_OF_BUSYBOX, **GIVEN})
    assert answer.stdout == "zwölf grüß note ein\n/box /box /bin/busybox \nagain\n"
    assert (answer.stderr, answer.exit_code) == ("wrong\n", 3)
    assert Status.Name(answer.status) == "RUNTIME_ERROR"
    assert answer.run.memory_peak_bytes > 0


@pytest.mark.parametrize(
    ("code", "limits", "status"),
    [
        ("x=a; while :; do x=$x$x; done", {"memory_limit_mb": 16}, "MEMORY_EXCEEDED"),
        ("while :; do :; done", {"timeout_seconds": 1.0}, "TIMEOUT"),
        ("while :; do echo xxxx; done", {"output_overflow": "KILL"}, "OUTPUT_EXCEEDED"),
        ("kill -SEGV $$", {}, "SIGNALED"),
    ],
    ids=["memory", "time", "output", "signal"],
)
async def test_limits_hold_in_busybox_alone(
    front: GrpcFront, code: str, limits: dict[str, object], status: str
) -> None:
    answer = await front.execute({"language": "shell", "code": code, **limits})
    assert Status.Name(answer.status) == status


async def test_a_ready_image_compiles_and_runs(front: GrpcFront) -> None:
    answer = await front.execute({"language": "checked", "code": _ASKED_OF_BUSYBOX, **GIVEN})
    assert Status.Name(answer.compile.status) == "OK"
    assert answer.stdout == "zwölf grüß note ein\n/box /box /bin/busybox \nagain\n"
    refused = await front.execute({"language": "checked", "code": "if"})
    assert Status.Name(refused.status) == "COMPILE_ERROR"
    assert "syntax error" in refused.stderr
