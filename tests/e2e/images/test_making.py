"""Images on a real engine: made from recipes and from ready images, with the agent laid on top."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from executor_server.engine.images import EngineImages
from executor_server.image_values import ImageState, State, Step
from tests.e2e.images.ready import BUSYBOX, docker
from tests.e2e.images.stores import BOOTSTRAP, Watcher, in_sandbox, states_of, store_of
from tests.engine import Engine

# Other tests may run on the same engine at the same time.
TOY = f"toy{secrets.token_hex(3)}"
OTHER = f"zother{secrets.token_hex(3)}"
UNSAFE = f"code-executor-test/unsafe:{secrets.token_hex(3)}"


async def test_ready_images_run_sandboxes(
    engine_images: EngineImages, ready_languages: Path
) -> None:
    store, languages = store_of(engine_images, ready_languages)
    await store.prepare()
    states = states_of(store, languages)
    assert {name: state.state for name, state in states.items()} == {
        "python 3.13": State.READY,
        "python 3.11": State.READY,
        "shell 1": State.READY,
    }
    for name, state in states.items():
        assert state.image is not None
        assert state.version.startswith(f"{name.split()[1]}.")
        stat = ("stat", "-c", "%a %u:%g", "/.code-executor/agent", "/.code-executor", "/box")
        modes = in_sandbox(state.image.ref, *stat).splitlines()
        assert modes == ["111 0:0", "755 0:0", "755 0:0"], "also where the image names another user"
        assert docker("inspect", "--format={{.Id}}", state.image.ref).strip() == state.image.digest


async def test_the_agent_speaks_in_any_image(
    engine_images: EngineImages, ready_languages: Path
) -> None:
    store, languages = store_of(engine_images, ready_languages)
    await store.prepare()
    for state in states_of(store, languages).values():
        assert state.image is not None
        hello = in_sandbox(state.image.ref, "/.code-executor/agent", "5")
        assert store.agent_build_id in hello, "its first frame names its sources"


async def test_a_version_selects_among_recipes_and_ready_images(
    engine_images: EngineImages, ready_languages: Path
) -> None:
    store, languages = store_of(engine_images, ready_languages)
    await store.prepare()
    python = languages.find("py")
    assert python is not None
    selected = {wanted: store.select(python, wanted) for wanted in ("", "3", "3.11", "3.1", "2")}
    found = {wanted: version and version.version for wanted, version in selected.items()}
    assert found == {"": "3.13", "3": "3.13", "3.11": "3.11", "3.1": None, "2": None}
    real = store.real_versions(python)
    assert store.select(python, real["3.11"]) == python.versions[1]


async def test_a_second_start_is_ready_at_once(
    engine_images: EngineImages, ready_languages: Path
) -> None:
    first, languages = store_of(engine_images, ready_languages)
    await first.prepare()
    watcher = Watcher()
    second, _ = store_of(engine_images, ready_languages, watcher)
    began = time.monotonic()
    await second.prepare()
    assert time.monotonic() - began < 5
    assert watcher.said == []
    assert states_of(second, languages) == states_of(first, languages)


def _shell_language(
    folder: Path,
    version: str = f'image = "{BUSYBOX}"',
    command: str = "echo 1.0",
    name: str = TOY,
) -> None:
    """One more language in the folder."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "example.sh").write_text("echo\n")
    (path / "language.toml").write_text(
        f"""\
name = "{name}"
file_name = "main.sh"
example = "example.sh"
example_output = "\\n"
[run]
command = ["sh", "main.sh"]
pids = 16
[[versions]]
{version}
version = "1"
version_command = ["sh", "-c", '''{command}''']
"""
    )


@pytest.fixture
def folder(ready_languages: Path, tmp_path: Path) -> Path:
    """A folder with nothing but the base's script; what is tested is added. Its images are removed."""
    folder = tmp_path / "languages"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "bootstrap.sh").symlink_to(BOOTSTRAP)
    return folder


async def _state_of_toy(
    images: EngineImages, folder: Path, environ: Mapping[str, str] = os.environ
) -> ImageState:
    store, languages = store_of(images, folder, environ=environ)
    await store.prepare()
    return states_of(store, languages)[f"{TOY} 1"]


@pytest.fixture(autouse=True)
def _remove_toys(engine: Engine) -> Iterator[None]:
    yield
    for name in (TOY, f"{TOY}-1-base", OTHER):
        found = docker("images", "--quiet", f"code-executor/{name}").split()
        if found:
            subprocess.run(["docker", "rmi", "--force", *found], capture_output=True, check=False)


async def test_a_version_command_runs_hardened(
    engine: Engine, engine_images: EngineImages, folder: Path
) -> None:
    command = 'touch /x 2>/dev/null && exit 9; echo "1.$(id -u).$(ls /sys/class/net | wc -l)"'
    _shell_language(folder, command=command)
    state = await _state_of_toy(engine_images, folder)
    assert (state.state, state.version) == (State.READY, "1.65534.1"), state.reason
    probes = ("ps", "--all", "--quiet", f"--filter=label=code-executor.image={BUSYBOX}")
    engine.wait_until(lambda: not docker(*probes), 10, "no container of a version command is left")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo it is broken; exit 3", ("exit code 3", "it is broken")),
        ("true", ("exit code 0", "expected exit code 0 and a version")),
        ("echo 2.0", ("promises version 1", "2.0")),
    ],
)
async def test_a_version_command_at_fault_is_quoted(
    engine_images: EngineImages, folder: Path, command: str, words: tuple[str, ...]
) -> None:
    _shell_language(folder, command=command)
    state = await _state_of_toy(engine_images, folder)
    assert state.state is State.FAILED
    for word in words:
        assert word in state.reason


async def test_a_recipe_at_fault_is_quoted_and_the_others_go_on(
    engine_images: EngineImages, folder: Path
) -> None:
    _shell_language(folder, version='recipe = "Dockerfile"')
    (folder / TOY / "Dockerfile").write_text(
        f"FROM {BUSYBOX}\nRUN echo the reason of it >&2; exit 3\n"
    )
    _shell_language(folder, name=OTHER)
    watcher = Watcher()
    store, languages = store_of(engine_images, folder, watcher)
    await store.prepare()
    states = states_of(store, languages)
    assert states[f"{TOY} 1"].state is State.FAILED
    assert "the reason of it" in states[f"{TOY} 1"].reason
    assert "returned a non-zero code: 3" in states[f"{TOY} 1"].reason
    assert states[f"{OTHER} 1"].state is State.READY
    assert [said.name for said in watcher.said if said.step is Step.FAILED] == [f"{TOY} 1"]


async def test_an_image_that_nobody_has_says_what_to_do(
    engine_images: EngineImages, folder: Path
) -> None:
    _shell_language(folder, version='image = "code-executor-test/absent:1"')
    state = await _state_of_toy(engine_images, folder)
    assert state.state is State.FAILED
    assert "code-executor-test/absent:1" in state.reason
    assert "docker load" in state.reason


@pytest.mark.parametrize(
    ("line", "words"), [("VOLUME /data", "volumes /data"), ("ONBUILD RUN x", "ONBUILD")]
)
async def test_an_image_that_brings_more_than_files_is_refused(
    engine_images: EngineImages, folder: Path, line: str, words: str
) -> None:
    docker("build", f"--tag={UNSAFE}", "-", stdin=f"FROM {BUSYBOX}\n{line}\n")
    _shell_language(folder, version=f'image = "{UNSAFE}"')
    state = await _state_of_toy(engine_images, folder)
    docker("rmi", UNSAFE)
    assert state.state is State.FAILED
    assert words in state.reason


async def test_a_proxy_reaches_the_build_and_stays_out_of_the_image(
    engine_images: EngineImages, folder: Path
) -> None:
    proxy = "http://proxy.invalid:3128"
    _shell_language(folder, version='recipe = "Dockerfile"')
    # Without the scheme: what the recipe itself says is in the image's history, and may be.
    (folder / TOY / "Dockerfile").write_text(
        f"FROM {BUSYBOX}\n"
        'RUN test "${http_proxy#http://}" = proxy.invalid:3128 && test "$HTTP_PROXY" = "$http_proxy"\n'
    )
    state = await _state_of_toy(engine_images, folder, {"http_proxy": proxy})
    assert state.image is not None, state.reason
    told = docker("inspect", state.image.ref) + docker("history", "--no-trunc", state.image.ref)
    assert proxy not in told
