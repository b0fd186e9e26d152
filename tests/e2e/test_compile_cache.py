"""A program that was compiled before runs at once, for whoever compiled it and for nobody else."""

from __future__ import annotations

import secrets

import aiohttp
from code_executor.v1 import executor_pb2 as pb

from tests.e2e.conftest import Execute, StartService

Status = pb.ExecuteResponse.Status


def source(word: str) -> str:
    return f'#include <stdio.h>\nint main(void)\n{{\n    puts("{word}");\n}}\n'


async def test_the_second_time_needs_no_compiler(execute: Execute) -> None:
    word = secrets.token_hex(8)
    first = await execute("c", source(word))
    second = await execute("c", source(word))
    assert first.stdout == second.stdout == word + "\n"
    assert (first.timings.compile_cached, second.timings.compile_cached) == (False, True)
    assert (second.timings.compile_seconds, second.compile.status) == (0, Status.OK)
    assert second.compile.wall_seconds == first.compile.wall_seconds


async def test_arguments_and_limits_of_the_run_do_not_matter(execute: Execute) -> None:
    word = secrets.token_hex(8)
    await execute("c", source(word))
    other = await execute("c", source(word), args=["x"], memory_limit_mb=64, timeout_seconds=5)
    assert other.timings.compile_cached


async def test_another_file_beside_it_is_another_program(execute: Execute) -> None:
    word = secrets.token_hex(8)
    await execute("c", source(word))
    other = await execute("c", source(word), files=[{"path": "note.h", "text": "x"}])
    assert not other.timings.compile_cached


async def test_what_does_not_compile_is_compiled_again(execute: Execute) -> None:
    broken = source(secrets.token_hex(8)) + "}"
    for _ in range(2):
        response = await execute("c", broken)
        assert response.status == Status.COMPILE_ERROR
        assert not response.timings.compile_cached


async def test_one_callers_artifact_is_not_anothers(execute: Execute, http_url: str) -> None:
    word = secrets.token_hex(8)
    await execute("c", source(word))
    body = {"language": "c", "code": source(word)}
    elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(http_url, connector=elsewhere) as session:
        answers = []
        for _ in range(2):
            async with session.post("/api/v1/execute", json=body) as answer:
                answers.append((await answer.json())["timings"]["compile_cached"])
    assert answers == [False, True]


async def test_it_can_be_turned_off(start_service: StartService) -> None:
    service = start_service("-compile-cache-mb=0")
    service.wait_until_ready("c")
    body = {"language": "c", "code": source(secrets.token_hex(8))}
    async with aiohttp.ClientSession(service.http_url) as session:
        for _ in range(2):
            async with session.post("/api/v1/execute", json=body) as answer:
                assert not (await answer.json())["timings"]["compile_cached"]
