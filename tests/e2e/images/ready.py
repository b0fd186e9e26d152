"""Languages of the tests' own, on ready images that no recipe of ours made.

One is an older distribution, one has no libc, no bash and no Python. They are made once and kept on
the engine, since no registry may be at hand.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]

OLD_DEBIAN = "code-executor-test/bookworm:1"
OLD_PYTHON = "code-executor-test/python:3.11-bookworm"
BUSYBOX = "code-executor-test/busybox:1"

_OLD_PYTHON_RECIPE = f"""\
FROM {OLD_DEBIAN}
RUN apt-get update && apt-get install -y --no-install-recommends python3
USER nobody
WORKDIR /srv
ENTRYPOINT ["/bin/false"]
"""
_BUSYBOX_RECIPE = """\
FROM debian:trixie-slim AS package
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static
FROM scratch
COPY --from=package /usr/bin/busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"""
_OLD_PYTHON_VERSION = f"""
[[versions]]
image = "{OLD_PYTHON}"
version = "3.11"
version_command = ["python3", "-c", "import platform; print(platform.python_version())"]
"""
_SHELL = f"""\
name = "shell"
aliases = ["sh", "ash"]
order = 0
file_name = "main.sh"
example = "example.sh"
example_output = "Hello from the shell\\n"

[run]
command = ["sh", "main.sh"]
pids = 16

[[versions]]
image = "{BUSYBOX}"
version = "1"
version_command = ["sh", "-c", "busybox | {{ read -r _ v _; echo ${{v#v}}; }}"]
"""


def make_images() -> None:
    """Make the images that are not on the engine yet. The base of our own recipes must be there."""
    if not present(OLD_DEBIAN):
        _import_old_debian()
    for ref, recipe in ((OLD_PYTHON, _OLD_PYTHON_RECIPE), (BUSYBOX, _BUSYBOX_RECIPE)):
        if not present(ref):
            docker("build", "--network=host", f"--tag={ref}", "-", stdin=recipe)


def languages(folder: Path) -> Path:
    """A folder of languages: Python with a second version, and the shell of busybox."""
    for name in ("base", "run", "python"):
        shutil.copytree(ROOT / "languages" / name, folder / name)
    with (folder / "python" / "language.toml").open("a") as file:
        file.write(_OLD_PYTHON_VERSION)
    shell = folder / "shell"
    shell.mkdir()
    (shell / "language.toml").write_text(_SHELL)
    (shell / "example.sh").write_text("echo 'Hello from the shell'\n")
    return folder


def _import_old_debian() -> None:
    script = ROOT / "languages" / "base" / "bootstrap.sh"
    with subprocess.Popen([script, "bookworm", "main"], stdout=subprocess.PIPE) as bootstrap:
        subprocess.run(
            ["docker", "import", "-", f"{OLD_DEBIAN}-partial"], stdin=bootstrap.stdout, check=True
        )
    assert bootstrap.returncode == 0, "the bootstrap of bookworm failed; its errors are above"
    docker("tag", f"{OLD_DEBIAN}-partial", OLD_DEBIAN)
    docker("rmi", f"{OLD_DEBIAN}-partial")


def present(ref: str) -> bool:
    """Whether the engine has an image of this name."""
    return (
        subprocess.run(["docker", "inspect", ref], capture_output=True, check=False).returncode == 0
    )


def docker(*arguments: str, stdin: str = "") -> str:
    """What the program ``docker`` prints (bytes that are no text become U+FFFD); it must succeed."""
    done = subprocess.run(
        ["docker", *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, (
        f"docker {' '.join(arguments)}: {done.stderr[-2000:]}{done.stdout[-2000:]}"
    )
    return done.stdout
