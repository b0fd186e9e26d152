"""The images that the project's own recipes make, and the script behind their base."""

from __future__ import annotations

import secrets
import subprocess

import pytest

from executor_server.engine.images import EngineImages
from executor_server.languages import Sizing
from tests.e2e.images.ready import ROOT, docker
from tests.e2e.images.stores import BOOTSTRAP, SANDBOX, states_of, store_of

SHIPPED = sorted(path.parent.name for path in ROOT.glob("languages/*/language.toml"))
# Other tests may run on the same engine at the same time.
OLD_GO = f"code-executor-test/go:{secrets.token_hex(3)}"


@pytest.mark.parametrize("name", [*SHIPPED, "run"])
async def test_a_shipped_image_holds_nothing_that_it_should_not(
    engine_images: EngineImages, name: str
) -> None:
    store, languages = store_of(engine_images, ROOT / "languages")
    await store.prepare()
    ready_ones = [state for state in states_of(store, languages).values() if state.run]
    refs = {
        image.ref for state in ready_ones for image in (state.image, state.run) if image is not None
    }
    (ref,) = [ref for ref in refs if ref.startswith(f"code-executor/{name}:")]
    look = (
        "find / -xdev -perm /6000; find / -xdev -type f -perm -o+w; ls /var/lib/apt/lists;"
        "find /var/cache/apt -type f; grep -ril proxy /etc/apt"
    )
    assert (
        docker("run", "--rm", "--network=none", "--entrypoint=sh", ref, "-c", f"{look}; true") == ""
    )


async def test_go_compiles_in_an_image_that_is_weeks_old(engine_images: EngineImages) -> None:
    """Go tidies up an old cache, and a sandbox lets it write nothing there."""
    store, languages = store_of(engine_images, ROOT / "languages")
    await store.prepare()
    go = languages.find("go")
    assert go is not None
    version = go.versions[0]
    image = store.state(go, version).compile
    assert image is not None
    assert version.compile is not None
    age = (
        "cd /var/cache/go-build && find . -type f -exec touch -d '40 days ago' {} +;"
        "[ -h trim.txt ] || echo 1000000 > trim.txt"
    )
    docker("build", f"--tag={OLD_GO}", "-", stdin=f"FROM {image.ref}\nUSER 0\nRUN {age}\n")
    argv = version.compile.argv(Sizing(1.0, 512))
    env = {**version.compile.environment(Sizing(1.0, 512)), "HOME": "/box"}
    box = ("--tmpfs=/box:uid=123456", "--tmpfs=/tmp:uid=123456", "--workdir=/box", "--interactive")
    lay_in = 'cat > main.go && "$@" && wc -c < program'
    options = (*SANDBOX, *box, *(f"--env={name}={value}" for name, value in env.items()))
    command = ("--entrypoint=sh", OLD_GO, "-c", lay_in, "sh", *argv)
    size = docker("run", "--rm", *options, *command, stdin=go.example)
    docker("rmi", OLD_GO)
    assert int(size) > 100_000


def test_bootstrap_asks_the_release_that_it_is_told() -> None:
    lines = _bootstrap("--sources", "trixie", "main", "contrib").splitlines()
    assert lines
    assert all(line.startswith("deb http") for line in lines)
    assert all(line.endswith(" main contrib") for line in lines)
    releases = {line.split()[2] for line in lines}
    assert "trixie" in releases
    assert releases <= {"trixie", "trixie-updates", "trixie-security"}


def test_bootstrap_without_a_release_says_how_to_call_it() -> None:
    done = subprocess.run([BOOTSTRAP], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "CODENAME" in done.stderr
    assert done.stdout == ""


def _bootstrap(*arguments: str) -> str:
    return subprocess.run(
        [BOOTSTRAP, *arguments], capture_output=True, text=True, check=True
    ).stdout
