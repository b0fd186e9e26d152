"""The command: modes, flags, environment, file, and what it says where it cannot start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub

from tests.e2e.conftest import StartService
from tests.service import ROOT, Service, free_port

USAGE_ERROR = 2


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "executor_server", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def get(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


HELLO: dict[str, Any] = {"language": "python", "code": "print('hello')"}


def test_http_alone_with_a_server_elsewhere(start_service: StartService, service: Service) -> None:
    gateway = start_service("-mode=http", f"-grpc-address={service.grpc_address}")
    assert get(gateway.http_url + "/health")["status"] == "healthy"
    assert get(gateway.http_url + "/api/v1/execute", HELLO)["stdout"] == "hello\n"
    assert not gateway.lines(event="listening", front="grpc")


def test_http_alone_without_its_server(start_service: StartService) -> None:
    gateway = start_service("-mode=http", f"-grpc-address=127.0.0.1:{free_port()}")
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(gateway.http_url + "/api/v1/execute", HELLO)
    error = json.load(caught.value)["error"]
    caught.value.close()
    assert (error["code"], error["status"]) == (503, "UNAVAILABLE")
    assert error["details"][0]["reason"] == "SERVICE_UNREACHABLE"


def test_grpc_alone_with_metrics_of_its_own(start_service: StartService) -> None:
    port = free_port()
    started = start_service("-mode=grpc", f"-metrics-port={port}")
    started.wait_until_ready("python")
    with grpc.insecure_channel(started.grpc_address) as channel:
        CodeExecutorStub(channel).Execute(pb.ExecuteRequest(**HELLO))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'code_executor_executions_total{language="python",status="OK"} 1.0' in text
    assert not started.lines(event="listening", front="http")


def test_settings_from_the_environment(start_service: StartService) -> None:
    started = start_service(
        environment={"CODE_EXECUTOR_CPU_LIMIT_MAX": "0.7", "CODE_EXECUTOR_CODE_BYTES_MAX": "99"}
    )
    assert get(started.http_url + "/api/v1/languages")["maximum_limits"]["cpu_limit"] == 0.7
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(started.http_url + "/api/v1/execute", {**HELLO, "code": "#" * 100})
    assert "at most 99 are allowed" in json.load(caught.value)["error"]["message"]
    caught.value.close()


def test_settings_from_a_file_and_flags_above_it(
    start_service: StartService, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("cpu_limit_max = 0.7\nmemory_limit_mb_max = 300\n")
    started = start_service(f"-config={file}", "--memory-limit-mb-max=400")
    limits = get(started.http_url + "/api/v1/languages")["maximum_limits"]
    assert (limits["cpu_limit"], limits["memory_limit_mb"]) == (0.7, 400)


def test_every_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('host = "127.0.0.2"\n')
    done = command("settings", "-v=0", "-config", str(file), CODE_EXECUTOR_PLACES="3")
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert rows["v"] == ["v", "0", "flag"]
    assert rows["places"] == ["places", "3", "environment"]
    assert rows["host"] == ["host", "127.0.0.2", "file"]
    assert rows["grpc_port"] == ["grpc_port", "50051", "default"]


@pytest.mark.parametrize("flag", ["--version", "-version"])
def test_version(flag: str) -> None:
    done = command(flag)
    assert (done.returncode, done.stdout) == (0, "1.0.0\n")


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ((), {"DOCKER_HOST": "ssh://host"}, ("DOCKER_HOST=ssh://host", "ssh is not supported")),
        ((), {"DOCKER_HOST": "host:2375"}, ("DOCKER_HOST=host:2375", "tcp://host:port")),
        ((), {"CODE_EXECUTOR_PLACES": "many"}, ("places", "environment", "'many'")),
        (("-grpc-port=99999",), {}, ("grpc_port", "flag", "65535")),
        (("-mode=smtp",), {}, ("mode", "flag", "'smtp'")),
        (("-config=/does/not/exist",), {}, ("/does/not/exist",)),
        (("-languages-dir=/does/not/exist",), {}, ("/does/not/exist", "does not exist")),
        (("-timeout-seconds-max=nan",), {}, ("timeout_seconds_max", "nan")),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    arguments: tuple[str, ...], environment: dict[str, str], words: tuple[str, ...]
) -> None:
    done = command("-grpc-port=0", "-http-port=0", *arguments, **environment)
    assert done.returncode == USAGE_ERROR
    (line,) = done.stderr.splitlines()
    assert line.startswith("code-executor: ")
    for word in words:
        assert word in line


def test_an_unknown_setting_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("grpc_prot = 1\n")
    done = command("-config", str(file))
    assert done.returncode == USAGE_ERROR
    assert "unknown settings: grpc_prot" in done.stderr


@pytest.mark.parametrize(
    ("front", "mode"), [("grpc", "both"), ("http", "both"), ("metrics", "grpc")]
)
def test_a_port_that_is_taken(front: str, mode: str, engine: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        taken_port = f"-{front}-port={port}"
        done = command("-grpc-port=0", "-http-port=0", f"-mode={mode}", taken_port)
    assert done.returncode == USAGE_ERROR
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("code-executor: "))
    assert str(port) in line
    assert "Traceback" not in done.stderr
    assert "Unclosed" not in done.stderr


def test_it_listens_on_loopback_alone(service: Service) -> None:
    for address in (service.grpc_address, service.http_url.removeprefix("http://")):
        port = int(address.rpartition(":")[2])
        with socket.socket() as elsewhere, pytest.raises(ConnectionRefusedError):
            elsewhere.connect(("127.0.0.2", port))


def until_healthy(url: str) -> None:
    """Wait by asking alone: a quiet service does not say that it listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            get(url + "/health")
        except urllib.error.URLError as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{url} is not healthy")


def test_verbosity(start_service: StartService) -> None:
    port = free_port()
    quiet, loud = start_service("-v=0", f"-http-port={port}"), start_service("-v=3")
    for url in (f"http://127.0.0.1:{port}", loud.http_url):
        until_healthy(url)
        assert get(url + "/api/v1/execute", HELLO)["stdout"] == "hello\n"
    assert loud.wait_for(event="execution")["language"] == "python"
    assert loud.wait_for(event="engine call", call="create")
    assert loud.wait_for(event="frame", type="RESULT")
    assert {line["level"] for line in quiet.log} <= {"warning", "error"}
