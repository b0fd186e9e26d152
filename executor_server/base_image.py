"""The base of all recipes, and what a build must know of the host: proxies and package sources.

The base is used where it is there, else pulled, else bootstrapped from Debian packages. Nothing
that is particular to this host goes into a recipe: proxies are predefined build arguments, which
the engine keeps out of an image, and package sources come in beneath the recipe.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from executor_server.build_context import (
    NAME_DIGITS,
    BuildContext,
    content_digest,
    files_context,
)
from executor_server.engine.images import BuildRequest, ImageFacts
from executor_server.errors import EngineError
from executor_server.image_values import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor_server.image_values import ImageEngine

BASE_REF = "debian:trixie-slim"
CODENAME = "trixie"
COMPONENTS = ("main",)
BOOTSTRAPPED_LABEL = "code-executor.bootstrapped"

_STANDARD_HOSTS = ("://deb.debian.org/", "://security.debian.org/")
_PROXY_NAMES = ("http_proxy", "https_proxy", "no_proxy")
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# A registry that cannot be reached is silence more often than an error.
_PULL_SILENCE_SECONDS = 15.0
_BOOTSTRAP_SECONDS = 900.0
_INSTALL_SECONDS = 300.0
_HOST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Base:
    """The image that recipes begin with."""

    ref: str
    id: str


class BaseImage:
    """Finds or makes the base, with the host's package sources in it."""

    def __init__(self, engine: ImageEngine, bootstrap: Path, environ: Mapping[str, str]) -> None:
        """``bootstrap`` is the script that writes a root file system."""
        self._engine = engine
        self._bootstrap = bootstrap
        self._environ = environ
        self._host_sources: tuple[str, ...] | None = None

    async def find(self) -> Base | None:
        """The base, where it is there already. Raises EngineError."""
        facts = await self._engine.inspect(BASE_REF)
        if facts is None:
            return None
        sources = await self._foreign_sources(facts)
        if not sources:
            return Base(BASE_REF, facts.id)
        ref = _sources_ref(facts.id, sources)
        found = await self._engine.inspect(ref)
        return Base(ref, found.id) if found else None

    async def make(self) -> Base:
        """Make the base. Raises EngineError and ImageError."""
        facts = await self._engine.inspect(BASE_REF)
        if facts is None:
            await self._fetch()
            facts = await self._engine.inspect(BASE_REF)
        if facts is None:
            raise ImageError(f"the engine took {BASE_REF} and does not have it; look at its log")
        sources = await self._foreign_sources(facts)
        if sources:
            await self._add_sources(_sources_ref(facts.id, sources), sources)
        found = await self.find()
        if found is None:
            raise ImageError(f"the engine lost {BASE_REF} while it was made; try again")
        return found

    async def build_args(self) -> dict[str, str]:
        """The host's proxies, as the build arguments that every builder knows undeclared."""
        environ = self._environ
        found = {name: environ.get(name) or environ.get(name.upper(), "") for name in _PROXY_NAMES}
        for scheme in ("http", "https"):
            found[f"{scheme}_proxy"] = found[f"{scheme}_proxy"] or await _apt_proxy(scheme)
        given = {name: value for name, value in found.items() if value}
        return given | {name.upper(): value for name, value in given.items()}

    async def _fetch(self) -> None:
        try:
            await self._engine.pull(BASE_REF, _PULL_SILENCE_SECONDS)
        except (EngineError, ImageError) as failure:
            await self._bootstrap_instead(failure)

    async def _bootstrap_instead(self, pull_failure: Exception) -> None:
        try:
            await _ensure_mmdebstrap()
            with tempfile.TemporaryFile() as tar:
                command = ("sh", str(self._bootstrap), CODENAME, *COMPONENTS)
                await _run(command, _BOOTSTRAP_SECONDS, tar)
                tar.seek(0)
                await self._engine.import_root(BASE_REF, tar, {BOOTSTRAPPED_LABEL: CODENAME})
        except ImageError as failure:
            raise ImageError(
                f"the base image {BASE_REF} is not on the engine, could not be pulled "
                f"({pull_failure}) and could not be bootstrapped ({failure}). Do one of: let the "
                "engine reach a registry; load the image with 'docker load'; run 'code-executor "
                "images' as root on a Debian machine with this engine"
            ) from failure

    async def _foreign_sources(self, base: ImageFacts) -> tuple[str, ...]:
        """The host's package sources where a pulled base would not know them; else nothing."""
        if BOOTSTRAPPED_LABEL in base.labels or shutil.which("apt-get") is None:
            return ()
        if self._host_sources is None:
            ask = ("sh", str(self._bootstrap), "--sources", CODENAME, *COMPONENTS)
            self._host_sources = tuple((await _run(ask, _HOST_SECONDS)).splitlines())
        lines = self._host_sources
        standard = all(any(host in line for host in _STANDARD_HOSTS) for line in lines)
        return () if standard else lines

    async def _add_sources(self, ref: str, sources: tuple[str, ...]) -> None:
        context = _sources_context(sources)
        await self._engine.build(BuildRequest(ref, context.tar, "Dockerfile", {}, {}))


def _sources_context(sources: tuple[str, ...]) -> BuildContext:
    listed = "".join(f"{line}\n" for line in sources)
    files: dict[str, bytes | None] = {"sources.list": listed.encode()}
    recipe = [
        f"FROM {BASE_REF}",
        "COPY sources.list /etc/apt/sources.list",
        "RUN rm -rf /etc/apt/sources.list.d",
    ]
    # A base without ca-certificates trusts no https source, and a host may have its own authority.
    if any("https://" in line for line in sources) and _CA_BUNDLE.is_file():
        files["ca.crt"] = _CA_BUNDLE.read_bytes()
        recipe.append(f"COPY ca.crt {_CA_BUNDLE}")
    return files_context({**files, "Dockerfile": "\n".join(recipe).encode()})


def _sources_ref(base_id: str, sources: tuple[str, ...]) -> str:
    return f"code-executor/debian:{content_digest(base_id, sources)[:NAME_DIGITS]}"


async def _apt_proxy(scheme: str) -> str:
    """The proxy in apt's configuration; empty where there is none, or no apt."""
    if shutil.which("apt-config") is None:
        return ""
    key = f"Acquire::{scheme}::Proxy"
    dump = await _run(("apt-config", "dump", "--format", "%f=%v%n", key), _HOST_SECONDS)
    lines = [line.partition("=") for line in dump.splitlines()]
    values = [value for name, _, value in lines if name == key and value]
    return values[0] if values and values[0] != "DIRECT" else ""


async def _ensure_mmdebstrap() -> None:
    if shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ImageError("mmdebstrap is not installed, and installing it needs root and apt-get")
    quietly = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get")
    install = (*quietly, "install", "-y", "--no-install-recommends", "mmdebstrap")
    try:
        await _run(install, _INSTALL_SECONDS)
    except ImageError:
        # The lists of packages may be missing or old.
        await _run((*quietly, "update"), _INSTALL_SECONDS)
        await _run(install, _INSTALL_SECONDS)


async def _run(command: tuple[str, ...], seconds: float, stdout: IO[bytes] | None = None) -> str:
    """Run a program of the host; its output where it did not go into a file. Raises ImageError."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if stdout is None else stdout,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate()
    except TimeoutError as failure:
        raise ImageError(f"{command[0]} did not end within {seconds:.0f} s") from failure
    finally:
        await _end(process)
    if process.returncode != 0:
        last = errors.decode("utf-8", "replace").strip()[-500:]
        raise ImageError(f"{' '.join(command)} ended with exit code {process.returncode}: {last}")
    return (output or b"").decode("utf-8", "replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
