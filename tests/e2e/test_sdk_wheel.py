"""The SDK as a user gets it: built, installed where nothing else is, and used from there.

Needs the fixture ``grpc_address``: host:port of a real server that runs Python programs. Also needs
the package index, for the dependencies, in the versions of the lock file.
"""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SDK = ROOT / "client_sdk"
NAME = "code_executor_client-1.0.0"

PROGRAM = """
import asyncio, sys
import code_executor
from code_executor import AsyncClient, Client

address, clean = sys.argv[1:]
assert code_executor.__file__.startswith(clean), code_executor.__file__

with Client(address) as client:
    result = client.execute(language="python", code="print(6 * 7)")
assert result.ok, result

async def main():
    async with AsyncClient(address) as client:
        return await client.execute(language="python", code="print(input())", input="async")

print(result.stdout + asyncio.run(main()).stdout, end="")
"""


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with sdist and wheel; the wheel is made from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, SDK)
    return folder


@pytest.fixture(scope="module")
def clean_python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the wheel and what the wheel asks for, in the locked versions."""
    folder = tmp_path_factory.mktemp("clean")
    constraints = folder / "constraints.txt"
    lock = (ROOT / "requirements.lock").read_text()
    constraints.write_text("\n".join(re.findall(r"^[\w.\[\]-]+==\S+", lock, re.MULTILINE)))
    python = folder / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", folder / "venv")
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--constraint", constraints, built / f"{NAME}-py3-none-any.whl")
    run(*pip, "check")
    return python


def sources() -> set[str]:
    """Every file of the package, handwritten and generated."""
    package = SDK / "src"
    files = (package / "code_executor").rglob("*")
    return {str(f.relative_to(package)) for f in files if f.is_file() and f.suffix != ".pyc"}


def test_the_wheel_has_the_package_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    metadata = {name for name in names if name.startswith(f"{NAME}.dist-info/")}
    assert names - metadata == sources()
    assert "code_executor/py.typed" in names
    assert f"{NAME}.dist-info/licenses/LICENSE" in metadata


def test_the_sdist_has_what_the_wheel_is_made_of(built: Path) -> None:
    with tarfile.open(built / f"{NAME}.tar.gz") as sdist:
        names = {name.removeprefix(f"{NAME}/") for name in sdist.getnames()}
    assert {f"src/{name}" for name in sources()} <= names
    assert {"README.md", "LICENSE", "pyproject.toml"} <= names


def test_the_wheel_brings_no_part_of_the_server(clean_python: Path) -> None:
    installed = run(clean_python, "-m", "pip", "list", "--format", "freeze").lower()
    assert "code-executor-client==1.0.0" in installed
    for name in ("aiodocker", "aiohttp", "grpcio-tools", "code-executor=="):
        assert name not in installed


def test_a_real_call_from_the_clean_environment(
    clean_python: Path, grpc_address: str, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    clean = clean_python.parents[1]
    assert run(clean_python, "-I", program, grpc_address, clean) == "42\nasync\n"
