"""Builds the agent and starts it, once for each test, in namespaces of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent import arm64
from tests.agent.sandbox import UID, Sandbox
from tests.engine import Engine

SOURCE = Path(__file__).parents[2] / "agent"
SANITIZED = "sanitized"

Start = Callable[..., Sandbox]


def make(*targets: str) -> Path:
    """Builds `targets` and returns the folder with the binaries."""
    done = subprocess.run(
        ["make", "-C", str(SOURCE), *targets], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"make {' '.join(targets)} in agent/ failed:\n{done.stderr}"
    return SOURCE / "build"


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        pytest.fail("the agent's tests make pid and mount namespaces: run them as root")


@pytest.fixture(scope="session")
def cross_built(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with what the engine cross-builds for arm64: the agent and its codec."""
    return arm64.build(tmp_path_factory.mktemp("cross-built"))


@pytest.fixture(scope="session", params=["static", SANITIZED, arm64.NAME])
def agent(request: pytest.FixtureRequest) -> Path:
    """The binary under test: as it is shipped, with the address and undefined sanitizers, and for arm64."""
    if request.param == arm64.NAME:
        folder: Path = request.getfixturevalue("cross_built")
        return folder / "agent"
    if request.param == SANITIZED:
        return make("sanitized") / "agent-sanitized"
    return make() / "agent"


@pytest.fixture(scope="session")
def shipped_agent() -> Path:
    """The binary as it is shipped."""
    return make() / "agent"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user can enter, with an empty box of that user's and no control group."""
    path = Path(tempfile.mkdtemp(prefix="agent-"))
    path.chmod(0o755)
    (path / "cgroup").mkdir()
    (path / "box").mkdir(mode=0o700)
    os.chown(path / "box", UID, UID)
    yield path
    shutil.rmtree(path)


def _starter(agent: Path, folder: Path) -> Iterator[Start]:
    sandboxes: list[Sandbox] = []
    binary = folder / "agent"
    shutil.copy(agent, binary)
    program, *before = arm64.command(binary)
    read = agent.name.endswith(SANITIZED) or before  # by a run-time library, by an emulator
    binary.chmod(0o555 if read else 0o111)

    def start(*arguments: str, **circumstances: Any) -> Sandbox:
        sandboxes.append(Sandbox(Path(program), folder, *before, *arguments, **circumstances))
        return sandboxes[-1]

    yield start
    for sandbox in sandboxes:
        sandbox.stop()


@pytest.fixture
def start(agent: Path, folder: Path) -> Iterator[Start]:
    """Starts the binary under test; its arguments are the agent's."""
    yield from _starter(agent, folder)


@pytest.fixture
def start_shipped(shipped_agent: Path, folder: Path) -> Iterator[Start]:
    """Starts the binary as it is shipped, for what a sanitizer changes: memory, file mode."""
    yield from _starter(shipped_agent, folder)


@pytest.fixture
def sandbox(start: Start) -> Sandbox:
    """A started agent."""
    return start()
