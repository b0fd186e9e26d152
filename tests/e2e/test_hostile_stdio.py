"""Group C: programs that attack by their input and output. Every byte is counted, none is lost."""

from __future__ import annotations

import hashlib

import pytest
from code_executor.v1 import executor_pb2 as pb

from tests.e2e.conftest import Execute

Status = pb.ExecuteResponse.Status
MIB = 2**20


@pytest.mark.parametrize("streams", ["1", "2", "12"])
async def test_a_flood_is_killed_at_its_limit(streams: str, execute: Execute) -> None:
    code = f"""
        import os

        while True:
            for stream in {streams!r}:
                os.write(int(stream), b"flood" * 10_000)
    """
    response = await execute(
        "python", code, output_overflow="KILL", output_limit_bytes=MIB, timeout_seconds=20
    )
    assert response.status == Status.OUTPUT_EXCEEDED
    assert max(len(response.stdout), len(response.stderr)) == MIB
    assert response.run.wall_seconds < 10


async def test_a_flood_that_is_cut_runs_out_of_time(execute: Execute) -> None:
    code = "import os\nwhile True: os.write(1, b'x' * 65536)"
    response = await execute("python", code, output_limit_bytes=10, timeout_seconds=1)
    assert (response.status, response.stdout) == (Status.TIMEOUT, "x" * 10)
    assert response.run.stdout_total_bytes > 10 * MIB


async def test_many_small_writes_all_arrive(execute: Execute) -> None:
    code = r"""
        #include <unistd.h>

        int main(void)
        {
            for (int i = 0; i < 200000; i++)
                write(1 + i % 2, "ab" + i % 2, 1);
        }
    """
    response = await execute("c", code)
    assert (response.stdout, response.stderr) == ("a" * 100_000, "b" * 100_000)


@pytest.mark.parametrize("size", [MIB, 16 * MIB])
async def test_a_large_write_just_before_the_end_arrives_whole(size: int, execute: Execute) -> None:
    code = f"""
        import os

        left = memoryview(bytes(range(256)) * ({size} // 256))
        while left:
            left = left[os.write(1, left):]
        os._exit(0)
    """
    response = await execute("python", code, output_limit_bytes=size, output_encoding="BYTES")
    assert response.status == Status.OK
    assert response.stdout_bytes == bytes(range(256)) * (size // 256)
    assert not response.stdout_truncated


async def test_output_exactly_at_its_limit_is_no_overflow(execute: Execute) -> None:
    for overflow in ("TRUNCATE", "KILL"):
        response = await execute(
            "python",
            "print('x' * 99)",
            output_limit_bytes=100,
            output_overflow=overflow,
        )
        assert (response.status, response.stdout_truncated) == (Status.OK, False)


async def test_the_limit_counts_what_is_returned(execute: Execute) -> None:
    """Each invalid byte becomes U+FFFD, three bytes; a character is never cut in two."""
    code = "import os; os.write(1, b'\\xff' * 100 + 'ü'.encode() * 100)"
    response = await execute("python", code, output_limit_bytes=301)
    assert response.stdout == "\ufffd" * 100
    assert response.stdout_truncated
    assert response.run.stdout_total_bytes == 300


async def test_characters_cut_by_writes_are_whole(execute: Execute) -> None:
    code = """
        import os
        import time

        for byte in "zwölf 日本 🎉\\n".encode():
            os.write(1, bytes([byte]))
            time.sleep(0.03)
    """
    assert (await execute("python", code)).stdout == "zwölf 日本 🎉\n"


async def test_input_that_is_never_read(execute: Execute) -> None:
    response = await execute("python", "print('fine')", input_bytes=b"x" * (8 * MIB))
    assert (response.status, response.stdout) == (Status.OK, "fine\n")


async def test_input_as_large_as_it_may_be(execute: Execute) -> None:
    code = "import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    data = bytes(range(256)) * (8 * MIB // 256)
    response = await execute("python", code, input_bytes=data)
    assert response.stdout.strip() == hashlib.sha256(data).hexdigest()


async def test_input_ends_and_a_second_read_sees_it(execute: Execute) -> None:
    code = "import sys; print(repr(sys.stdin.read()), repr(sys.stdin.read()))"
    response = await execute("python", code, input="once")
    assert response.stdout == "'once' ''\n"


async def test_keys_of_terminals_are_plain_input(execute: Execute) -> None:
    keys = bytes([0x10, 0x11, 0x03, 0x04, 0x1A, 0x1C, 0x1B])
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    response = await execute("python", code, input_bytes=keys, output_encoding="BYTES")
    assert response.stdout_bytes == keys


async def test_closed_streams_are_no_end(execute: Execute) -> None:
    code = """
        import os
        import sys
        import time

        os.write(1, b"before")
        for number in (0, 1, 2):
            os.close(number)
        time.sleep(1)
        os._exit(5)
    """
    response = await execute("python", code, input="unread")
    assert (response.status, response.exit_code) == (Status.RUNTIME_ERROR, 5)
    assert response.stdout == "before"
    assert response.run.wall_seconds >= 1


async def test_streams_can_be_opened_again_and_there_is_no_terminal(execute: Execute) -> None:
    code = """
        import errno
        import os

        open("/dev/stdout", "w").write("out ")
        open("/proc/self/fd/1", "w").write("again ")
        open("/dev/stderr", "w").write("error ")
        print(open("/dev/stdin").read())
        for path in ("/dev/tty", "/dev/console"):
            try:
                os.open(path, os.O_RDWR)
                print("opened", path)
            except OSError as error:
                print(errno.errorcode[error.errno])
    """
    response = await execute("python", code, input="in")
    assert response.stderr == "error "
    first, *terminals = response.stdout.splitlines()
    assert first == "out again in"
    assert set(terminals) <= {"ENXIO", "ENOENT", "EACCES", "EPERM", "EIO"}


async def test_a_result_printed_as_text_is_text(execute: Execute) -> None:
    said = '{"status": "OK", "exit_code": 0}\n'
    response = await execute("python", f"import sys; sys.stderr.write({said!r}); sys.exit(9)")
    assert (response.status, response.exit_code) == (Status.RUNTIME_ERROR, 9)
    assert response.stderr == said
