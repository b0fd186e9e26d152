"""A language whose image cannot be made: it says why and when to come back, and harms no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import grpc
import pytest
from code_executor.v1 import executor_pb2 as pb
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.contract.fronts import FRONTS, RefusedError, open_fronts, refused_by_grpc
from tests.e2e.conftest import StartService
from tests.service import ROOT

BROKEN = """
name = "broken"
order = 9
file_name = "main.txt"
example = "example.txt"
example_output = ""

[run]
command = ["cat", "main.txt"]
pids = 8

[[versions]]
recipe = "Dockerfile"
version = "1"
version_command = ["echo", "1"]
"""
RECIPE = "FROM debian:trixie-slim\nRUN echo the bridge is out >&2; exit 3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Languages: one whose recipe fails."""
    broken = tmp_path / "languages" / "broken"
    broken.mkdir(parents=True)
    (broken / "language.toml").write_text(BROKEN)
    (broken / "Dockerfile").write_text(RECIPE)
    (broken / "example.txt").write_text("")
    shutil.copytree(ROOT / "languages" / "base", broken.parent / "base")
    return broken.parent


async def test_the_others_run(folder: Path, start_service: StartService) -> None:
    shutil.copytree(ROOT / "languages" / "python", folder / "python")
    service = start_service(f"-languages-dir={folder}")
    service.wait_until_ready("python")
    service.wait_for(event="image failed")
    async with open_fronts(service.grpc_address, service.http_url) as fronts:
        for name in FRONTS:
            with pytest.raises(RefusedError) as caught:
                await fronts[name].execute({"language": "broken", "code": "x"})
            error = caught.value
            assert (error.code, error.reason) == ("UNAVAILABLE", "IMAGE_FAILED"), name
            assert "broken 1" in error.message
            assert "the bridge is out" in error.message
            assert error.retry_seconds
            response = await fronts[name].execute({"language": "python", "code": "print('fine')"})
            assert response.stdout == "fine\n"


async def test_nothing_runs_so_the_service_does_not_serve(
    folder: Path, start_service: StartService
) -> None:
    service = start_service(f"-languages-dir={folder}")
    service.wait_for(event="image failed", seconds=120)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        state = await health.Check(health_pb2.HealthCheckRequest())
        assert state.status == health_pb2.HealthCheckResponse.NOT_SERVING
        stub = CodeExecutorStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Health(pb.HealthRequest())
        assert "no language image is ready yet" in refused_by_grpc(caught.value).message
        (language,) = (await stub.ListLanguages(pb.ListLanguagesRequest())).languages
    (version,) = language.versions
    assert version.state in {pb.LanguageVersion.FAILED, pb.LanguageVersion.BUILDING}
    assert (version.version, version.image) == ("1", "")
