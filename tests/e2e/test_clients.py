"""The service through the clients that its users have: grpcurl, grpc_health_probe, curl, and a
program in Go whose code the literal protoc line makes from the one proto file.

Needs the fixtures ``grpc_address`` (host:port) and ``http_url``, and the tools of ``make test``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools" / "bin"
GO_CLIENT = ROOT / "tests" / "clients" / "go"
PROTOC_LINE = "protoc --proto_path=proto --go_out=. --go-grpc_out=. proto/executor.proto"
SERVICE = "code_executor.v1.CodeExecutor"
PROGRAM = {"language": "python", "code": "print(input()[::-1])", "input": "olleh"}


def run(
    *command: str | Path, folder: Path = ROOT, exit_code: int = 0
) -> subprocess.CompletedProcess[str]:
    """A command of a user, who has the tools on the PATH."""
    assert TOOLS.is_dir(), f"the client tools are not in {TOOLS}: run 'make .tools/.installed'"
    environment = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == exit_code, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def grpcurl(*arguments: str) -> str:
    return run("grpcurl", "-plaintext", *arguments).stdout


def post(url: str, body: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a request by curl."""
    done = run(
        "curl", "--silent", "--show-error", "--header", "Content-Type: application/json",
        "--data", body, "--write-out", "\n%{http_code}", url,
    )  # fmt: skip
    answer, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(answer)


def test_grpcurl_lists_the_services(grpc_address: str) -> None:
    services = grpcurl(grpc_address, "list").split()
    assert {SERVICE, "grpc.health.v1.Health"} <= set(services)


def test_grpcurl_describes_the_calls(grpc_address: str) -> None:
    described = grpcurl(grpc_address, "describe", SERVICE)
    for call in ("Execute", "ListLanguages", "Health"):
        line = f"rpc {call} ( .code_executor.v1.{call}Request ) returns"
        assert line in described
    request = grpcurl(grpc_address, "describe", "code_executor.v1.ExecuteRequest")
    assert "string code = 2;" in request


def test_grpcurl_runs_a_program(grpc_address: str) -> None:
    answer = json.loads(
        grpcurl("-d", json.dumps(PROGRAM), grpc_address, f"{SERVICE}/Execute"),
    )
    assert answer["stdout"] == "hello\n"
    assert answer["status"] == "OK"
    assert "exitCode" not in answer, "grpcurl leaves out what is zero"


def test_grpcurl_shows_what_was_wrong(grpc_address: str) -> None:
    failed = run(
        "grpcurl", "-plaintext", "-d", '{"language": "cobol", "code": "x"}',
        grpc_address, f"{SERVICE}/Execute", exit_code=64 + 3,
    )  # fmt: skip
    assert "Code: InvalidArgument" in failed.stderr
    assert "python" in failed.stderr, "the languages that there are"


@pytest.mark.parametrize("name", ["", SERVICE])
def test_the_health_probe_of_kubernetes(grpc_address: str, name: str) -> None:
    probed = run("grpc_health_probe", f"-addr={grpc_address}", f"-service={name}")
    assert "status: SERVING" in probed.stderr


def test_the_health_probe_fails_for_a_service_that_is_not_there(grpc_address: str) -> None:
    unknown = run(
        "grpc_health_probe", f"-addr={grpc_address}", "-service=other.v1.Other", exit_code=3
    )
    assert "NotFound" in unknown.stderr


def test_curl_runs_a_program(http_url: str) -> None:
    status, answer = post(f"{http_url}/api/v1/execute", json.dumps(PROGRAM))
    assert status == 200
    assert (answer["stdout"], answer["exit_code"], answer["status"]) == ("hello\n", 0, "OK")


def test_curl_gets_the_error_of_a_bad_request(http_url: str) -> None:
    status, answer = post(f"{http_url}/api/v1/execute", '{"language": "cobol", "code": "x"}')
    assert status == 400
    assert "cobol" in json.dumps(answer)


def test_curl_asks_for_health(http_url: str) -> None:
    health = run("curl", "--silent", "--show-error", "--fail", f"{http_url}/health").stdout
    assert json.loads(health) == {"status": "healthy", "version": "1.0.0"}


@pytest.fixture(scope="module")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in Go, built from nothing but its source, the proto and the literal line."""
    folder = tmp_path_factory.mktemp("go")
    shutil.copytree(ROOT / "proto", folder / "proto")
    run(*PROTOC_LINE.split(), folder=folder)
    shutil.copytree(GO_CLIENT, folder / "code-executor", dirs_exist_ok=True)
    run("go", "build", "-o", "client", ".", folder=folder / "code-executor")
    return folder / "code-executor" / "client"


def test_a_program_in_go_runs_a_program(go_client: Path, grpc_address: str) -> None:
    assert run(go_client, grpc_address).stdout == "Output: Hello\nExit code: 0\n"
