"""The agent for arm64: cross-built on the engine by agent/Dockerfile.arm64, run by an emulator elsewhere."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
from pathlib import Path

from executor_server.base_image import BaseImage
from executor_server.build_context import files_context
from executor_server.engine.client import DEFAULT_HOST, EngineAddress, EngineClient
from executor_server.engine.images import BuildRequest, EngineImages
from executor_server.observer import Observer

NAME = "arm64"
MACHINE = 183  # EM_AARCH64 of elf.h
BUILT = ("agent", "codec")

_ROOT = Path(__file__).parents[2]
_SOURCE = _ROOT / "agent"
_IMAGE = "code-executor-test/agent-arm64:1"
_RECIPE = "Dockerfile.arm64"
_COPIED = (_RECIPE, "Makefile", "src/*", "tests/*")
_EMULATOR = "qemu-aarch64"


def build(folder: Path) -> Path:
    """Builds the image, with the engine's cache, and copies what it holds to `folder`."""
    asyncio.run(_build_image())
    container = _docker("create", _IMAGE, "/agent")
    try:
        for name in BUILT:
            _docker("cp", f"{container}:/{name}", str(folder / name))
    finally:
        _docker("rm", container)
    return folder


def machine(binary: Path) -> int:
    """The architecture that an ELF file is for: e_machine of elf.h."""
    return int.from_bytes(binary.read_bytes()[18:20], "little")


def command(binary: Path) -> tuple[str, ...]:
    """What starts `binary` on this machine: itself, or an emulator that has to be able to read it."""
    if machine(binary) != MACHINE or platform.machine() == "aarch64":
        return (str(binary),)
    emulator = shutil.which(_EMULATOR)
    assert emulator, f"{_EMULATOR} is missing: apt-get install qemu-user, as `make test` does"
    return (emulator, str(binary))


async def _build_image() -> None:
    host = os.environ.get("DOCKER_HOST", DEFAULT_HOST)
    client = EngineClient(EngineAddress(host, os.environ.get("DOCKER_CERT_PATH")), Observer())
    try:
        images = EngineImages(client)
        bootstrap = _ROOT / "languages" / "base" / "bootstrap.sh"
        base = BaseImage(images, bootstrap, os.environ)
        args = {"BASE": (await base.make()).ref, **await base.build_args()}
        await images.build(BuildRequest(_IMAGE, _context(), _RECIPE, args, {}))
    finally:
        await client.close()


def _context() -> bytes:
    paths = sorted(path for pattern in _COPIED for path in _SOURCE.glob(pattern))
    return files_context({str(p.relative_to(_SOURCE)): p.read_bytes() for p in paths}).tar


def _docker(*arguments: str) -> str:
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()
