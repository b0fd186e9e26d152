"""The service as operators pick it up: a wheel, an image, a composed project, each for real.

The image is built by the plain command and runs on the same engine as everything else. Nothing that
is made here has a name or a port that something else could have, and all of it is removed.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from code_executor import Client

from executor_server.build_context import agent_context, recipe_context
from tests.engine import Engine

ROOT = Path(__file__).parents[2]
IMAGE = f"code-executor-test:{secrets.token_hex(6)}"
SOCKET = os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock"
SOCKET_MOUNT = f"--volume={SOCKET}:/var/run/docker.sock"
USER = 65532
# The images of the languages are there; the base of a language may still have to be looked at.
START_SECONDS = 120.0
NO_CAPABILITIES = f"{0:016x}"

INSTALLED = """
import sys
sys.path.insert(0, sys.argv[1])
import executor_server
assert executor_server.__file__.startswith(sys.argv[1]), executor_server.__file__
from executor_server.build_context import agent_context, recipe_context
from executor_server.language_file import load_languages
from executor_server.settings import Settings
settings = Settings()
print(*sorted(language.name for language in load_languages(settings.languages_dir)))
print(agent_context(settings.agent_dir).digest)
print(*(recipe_context(folder).digest for folder in sorted(settings.languages_dir.iterdir())))
"""


def run(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    """Output of a command that must succeed, run in the checkout."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def docker(*arguments: str) -> str:
    return run("docker", *arguments).strip()


def logs(container: str) -> str:
    done = subprocess.run(
        ["docker", "logs", container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Packaged:
    """A container of the service."""

    def __init__(self, engine: Engine, container: str) -> None:
        self.engine = engine
        self.container = container

    def wait_until_healthy(self) -> None:
        """As the image's own health check sees it."""
        self.engine.wait_until(self._healthy, START_SECONDS, "healthy")

    def _healthy(self) -> bool:
        state = self.engine.inspect(self.container)["State"]
        assert state["Running"], logs(self.container)
        return bool(state["Health"]["Status"] == "healthy")

    def published(self, port: int) -> str:
        """Where a port of the container is found on this machine; on loopback only."""
        ports = self.engine.inspect(self.container)["NetworkSettings"]["Ports"]
        (binding,) = ports[f"{port}/tcp"]
        assert binding["HostIp"] == "127.0.0.1"
        return f"127.0.0.1:{binding['HostPort']}"

    def process(self) -> dict[str, str]:
        """What the kernel says of the process of the service."""
        lines = docker("exec", self.container, "cat", "/proc/1/status").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def sandboxes(self) -> list[str]:
        """Containers of the service's own, by the name of its instance."""
        host = self.engine.inspect(self.container)["Config"]["Hostname"]
        return self.engine.containers(f"{host}:50051")

    def answers(self) -> None:
        """Both fronts run a program."""
        with Client(self.published(50051)) as client:
            result = client.execute(language="python", code="print(6 * 7)")
        assert (result.stdout, result.exit_code) == ("42\n", 0)
        assert post(self.published(8080))["stdout"] == "first\n"


def post(address: str) -> dict[str, Any]:
    body = json.dumps({"language": "python", "code": "print(input())", "input": "first"})
    request = urllib.request.Request(
        f"http://{address}/api/v1/execute", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


@pytest.fixture(scope="module")
def image(engine: Engine, service: object) -> Iterator[str]:
    """The service's image. ``service`` has seen to it that Python's image is there."""
    run("deploy/wheels.sh")
    docker("build", f"--tag={IMAGE}", ".")
    yield IMAGE
    docker("rmi", "--force", IMAGE)
    # What the engine keeps of the stage in which it was built.
    docker("image", "prune", "--force", "--filter=label=code-executor.stage=build")


@contextmanager
def started(engine: Engine, *options: str, flags: tuple[str, ...] = ()) -> Iterator[Packaged]:
    """A container of IMAGE with these options of `docker run`, on ports that are free."""
    name = f"code-executor-test-{secrets.token_hex(6)}"
    publish = ("--publish=127.0.0.1::8080", "--publish=127.0.0.1::50051")
    try:
        docker("run", "--detach", f"--name={name}", *publish, *options, IMAGE, *flags)
        yield Packaged(engine, name)
    finally:
        engine.remove(name)


def test_the_wheel_has_what_the_service_reads(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("code_executor-*.whl")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", f"--target={tmp_path / 'installed'}", wheel)

    found = run(sys.executable, "-I", "-c", INSTALLED, tmp_path / "installed").splitlines()

    folders = sorted((ROOT / "languages").iterdir())
    assert found == [
        " ".join(folder.name for folder in folders if (folder / "language.toml").exists()),
        agent_context(
            ROOT / "agent"
        ).digest,  # the same images as of the checkout, so none is remade
        " ".join(recipe_context(folder).digest for folder in folders),
    ]


def test_docker_run(engine: Engine, image: str) -> None:
    with started(engine, SOCKET_MOUNT) as packaged:
        packaged.wait_until_healthy()
        packaged.answers()

        process = packaged.process()
        assert process["Uid"].split() == [str(USER)] * 4
        assert process["Groups"].split() == [str(Path(SOCKET).stat().st_gid)]
        assert process["NoNewPrivs"] == "1"
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert process[kind] == NO_CAPABILITIES

        docker("stop", packaged.container)
        assert engine.inspect(packaged.container)["State"]["ExitCode"] == 0
        assert packaged.sandboxes() == []


def test_docker_run_with_the_rights_of_the_manifest(engine: Engine, image: str) -> None:
    group = Path(SOCKET).stat().st_gid
    options = (
        f"--user={USER}:{USER}",
        f"--group-add={group}",
        "--read-only",
        "--tmpfs=/tmp",
        f"--tmpfs=/var/lib/code-executor:uid={USER}",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    )
    with started(engine, SOCKET_MOUNT, *options) as packaged:
        packaged.wait_until_healthy()
        packaged.answers()
        assert '"level": "warning"' not in logs(packaged.container).partition('"serving"')[2]


def test_flags_reach_the_service(engine: Engine, image: str) -> None:
    assert docker("run", "--rm", image, "--version") == "1.0.0"


def test_a_gateway_alone_is_asked_by_its_own_health_check(engine: Engine, image: str) -> None:
    with started(engine, SOCKET_MOUNT) as packaged:
        address = engine.inspect(packaged.container)["NetworkSettings"]["IPAddress"]
        behind = (
            "--env=CODE_EXECUTOR_MODE=http",
            f"--env=CODE_EXECUTOR_GRPC_ADDRESS={address}:50051",
        )
        with started(engine, *behind) as gateway:
            gateway.wait_until_healthy()
            assert post(gateway.published(8080))["stdout"] == "first\n"


def test_a_socket_of_root_alone(engine: Engine, image: str, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with closing(socket.socket(socket.AF_UNIX)) as silent:
        silent.bind(str(path))
        path.chmod(0o600)
        with started(engine, f"--volume={path}:/var/run/docker.sock") as packaged:
            engine.wait_until(
                lambda: "listening" in logs(packaged.container), START_SECONDS, "listening"
            )
            assert "only root may use /var/run/docker.sock" in logs(packaged.container)
            assert packaged.process()["Uid"].split() == ["0"] * 4


def test_no_socket(engine: Engine, image: str) -> None:
    with started(engine) as packaged:
        engine.wait_until(
            lambda: "not serving" in logs(packaged.container), START_SECONDS, "not serving"
        )
        assert "mount it: -v /var/run/docker.sock:" in logs(packaged.container)
        assert packaged.process()["Uid"].split() == [str(USER)] * 4


def test_compose(engine: Engine, image: str) -> None:
    project = f"code-executor-test-{secrets.token_hex(6)}"
    environment = {
        "CODE_EXECUTOR_IMAGE": image,
        "CODE_EXECUTOR_PUBLISH": f"127.0.0.1:{free_port()}",
        "CODE_EXECUTOR_PUBLISH_GRPC": f"127.0.0.1:{free_port()}",
        "ENGINE_SOCKET": SOCKET,
    }
    compose = ("docker-compose", "--project-name", project)
    try:
        run(*compose, "up", "-d", environment=environment)
        (container,) = run(*compose, "ps", "--quiet", environment=environment).split()
        packaged = Packaged(engine, container)
        packaged.wait_until_healthy()
        packaged.answers()
        assert packaged.published(8080) == environment["CODE_EXECUTOR_PUBLISH"]
        assert packaged.process()["Uid"].split() == [str(USER)] * 4
    finally:
        run(*compose, "down", "--volumes", environment=environment)
    assert (
        docker("ps", "--all", "--quiet", f"--filter=label=com.docker.compose.project={project}")
        == ""
    )
