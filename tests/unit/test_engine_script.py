"""How `make` finds an engine and installs packages, against engines and package tools made here."""

from __future__ import annotations

import os
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

ROOT = Path(__file__).parents[2]


def script(
    name: str, *arguments: str, path: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of deploy/, with the programs of the folder ``path`` before all others."""
    before = f"{path}:" if path else ""
    return subprocess.run(
        [ROOT / "deploy" / name, *arguments],
        env={**os.environ, **variables, "PATH": before + os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def program(folder: Path, name: str, text: str) -> None:
    """A program of that name, in shell."""
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


class _Engine(BaseHTTPRequestHandler):
    """Answers one question of the engine's API."""

    def do_GET(self) -> None:
        assert self.path.endswith("/version")
        body = b'{"Version": "98.7", "ApiVersion": "1.41"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@contextmanager
def engine(path: Path) -> Iterator[str]:
    """An engine that answers at the socket ``path``."""
    with socketserver.ThreadingUnixStreamServer(str(path), _Engine) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"unix://{path}"
        server.shutdown()
        thread.join()


def test_an_engine_that_answers_is_taken(tmp_path: Path) -> None:
    with engine(tmp_path / "engine.sock") as address:
        done = script("engine.sh", DOCKER_HOST=address)
    assert (done.returncode, done.stderr) == (0, f"Engine 98.7 at {address}\n")


def test_a_flag_names_the_engine_as_it_does_for_the_service(tmp_path: Path) -> None:
    with engine(tmp_path / "engine.sock") as address:
        done = script("engine.sh", f"-docker-host={address}", "-v=2", DOCKER_HOST="unix:///none")
    assert (done.returncode, done.stderr) == (0, f"Engine 98.7 at {address}\n")


def test_a_client_on_the_path_is_no_engine(tmp_path: Path) -> None:
    program(tmp_path, "docker", "echo Server: 98.7")
    address = f"unix://{tmp_path}/none.sock"
    done = script("engine.sh", path=tmp_path, DOCKER_HOST=address)
    assert done.returncode == 1
    assert f"No container engine answers at {address}" in done.stderr
    assert "Start the engine there, or correct DOCKER_HOST." in done.stderr


def test_an_address_that_cannot_be_used_is_explained() -> None:
    done = script("engine.sh", DOCKER_HOST="ssh://me@elsewhere")
    assert done.returncode == 1
    assert "ssh is not supported" in done.stderr


def test_a_gateway_alone_needs_no_engine() -> None:
    done = script("engine.sh", "-mode=http", DOCKER_HOST="unix:///none")
    assert (done.returncode, done.stderr) == (0, "")


def test_flags_that_the_service_refuses_are_refused_at_once() -> None:
    done = script("engine.sh", "-http-port=eighty")
    assert done.returncode == 2
    assert "http_port (from flag)" in done.stderr


def package_tools(folder: Path, user: int) -> Path:
    """A Debian on which ``here`` is installed, and nothing else until the lists are up to date."""
    program(folder, "id", f"echo {user}")
    program(folder, "dpkg-query", '[ "$4" = here ] && echo installed')
    program(
        folder,
        "apt-get",
        f'echo "$@" >>{folder}/calls\n'
        f"case $1 in update) touch {folder}/updated ;; *) [ -e {folder}/updated ] ;; esac",
    )
    return folder / "calls"


def test_packages_that_are_there_are_left_alone(tmp_path: Path) -> None:
    calls = package_tools(tmp_path, user=0)
    assert script("apt-install.sh", "here", path=tmp_path).returncode == 0
    assert not calls.exists()


def test_what_is_missing_is_installed_with_fresh_lists_where_need_be(tmp_path: Path) -> None:
    calls = package_tools(tmp_path, user=0)
    done = script("apt-install.sh", "here", "missing", path=tmp_path)
    assert done.returncode == 0, done.stderr
    install, update, again = calls.read_text().splitlines()
    assert install.endswith(" missing")
    assert "here" not in install
    assert (update, again) == ("update", install)


def test_without_root_nothing_is_installed(tmp_path: Path) -> None:
    calls = package_tools(tmp_path, user=1000)
    done = script("apt-install.sh", "here", "missing", path=tmp_path)
    assert done.returncode == 1
    assert "As root: apt-get install missing" in done.stderr
    assert not calls.exists()
