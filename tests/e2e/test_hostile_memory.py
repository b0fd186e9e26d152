"""Group B: programs that attack memory and disk. Each meets its own limit and nobody else's."""

from __future__ import annotations

import pytest
from code_executor.v1 import executor_pb2 as pb

from tests.e2e.conftest import Execute

Status = pb.ExecuteResponse.Status

FAMILY = """
    import os
    import time

    for _ in range(8):
        if os.fork() == 0:
            held = b"x" * (24 * 2**20)
            time.sleep(60)
    os.wait()
"""
SHARED = """
    import mmap

    held = [mmap.mmap(-1, 2**20) for _ in range(200)]
    for piece in held:
        piece.write(b"x" * 2**20)
"""
DESCRIPTORS = """
    import os

    held = []
    while True:
        held.append(os.memfd_create("hoard"))
        os.write(held[-1], b"x" * 2**20)
"""


@pytest.mark.parametrize(
    "code", [FAMILY, SHARED, DESCRIPTORS], ids=["children", "shared memory", "memfd"]
)
async def test_memory_is_that_of_all_processes_and_files(code: str, execute: Execute) -> None:
    response = await execute("python", code, timeout_seconds=30, memory_limit_mb=128)
    assert (response.status, response.memory_exceeded) == (Status.MEMORY_EXCEEDED, True), response
    assert (await execute("python", "print('next')")).stdout == "next\n"


async def test_memory_used_is_measured(execute: Execute) -> None:
    code = "held = b'x' * (60 * 2**20)"
    response = await execute("python", code)
    assert 60 <= response.memory_used_mb < 90
    assert 60 * 2**20 <= response.run.memory_peak_bytes < 90 * 2**20


@pytest.mark.parametrize("language", ["python", "c"])
async def test_the_least_memory_is_enough_to_start(language: str, execute: Execute) -> None:
    code = {"python": "print('ran')", "c": '#include <stdio.h>\nint main(){puts("ran");}'}[language]
    response = await execute(language, code, memory_limit_mb=16)
    assert (response.status, response.stdout) == (Status.OK, "ran\n")


@pytest.mark.parametrize("folder", ["/box", "/tmp", "/dev/shm"])
async def test_a_folder_has_an_end(folder: str, execute: Execute) -> None:
    code = f"""
        import errno

        written = 0
        try:
            for number in range(1000):
                with open(f"{folder}/{{number}}", "wb", buffering=0) as file:
                    written += file.write(b"x" * 2**20)
        except OSError as error:
            print(errno.errorcode[error.errno], written // 2**20)
    """
    response = await execute("python", code, memory_limit_mb=512, timeout_seconds=30)
    assert response.status == Status.OK, response
    cause, megabytes = response.stdout.split()
    assert cause == "ENOSPC"
    assert 16 <= int(megabytes) <= 128


async def test_one_file_has_an_end(execute: Execute) -> None:
    code = """
        with open("/box/large", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 2**20)
    """
    response = await execute("python", code, memory_limit_mb=512, timeout_seconds=30)
    assert response.status in {Status.RUNTIME_ERROR, Status.OUTPUT_EXCEEDED}
    assert "File too large" in response.stderr or "No space left" in response.stderr


@pytest.mark.parametrize("folder", ["/box", "/tmp"])
async def test_files_have_a_number(folder: str, execute: Execute) -> None:
    code = f"""
        import errno

        count = 0
        try:
            while True:
                open(f"{folder}/{{count}}", "w").close()
                count += 1
        except OSError as error:
            print(errno.errorcode[error.errno], count)
    """
    cause, count = (await execute("python", code, timeout_seconds=30)).stdout.split()
    assert cause == "ENOSPC"
    assert 1000 < int(count) <= 4096


async def test_what_is_not_a_tmpfs_is_read_only(execute: Execute) -> None:
    code = """
        import errno

        for path in ("/x", "/etc/x", "/usr/x", "/run/x", "/var/tmp/x", "/home/x", "/proc/sys/x"):
            try:
                open(path, "w")
            except OSError as error:
                print(errno.errorcode[error.errno])
    """
    causes = (await execute("python", code)).stdout.split()
    assert len(causes) == 7
    assert set(causes) <= {"EROFS", "EACCES", "ENOENT"}


async def test_memory_cannot_be_locked(execute: Execute) -> None:
    code = """
        #include <stdio.h>
        #include <sys/mman.h>

        int main(void)
        {
            puts(mlockall(MCL_CURRENT | MCL_FUTURE) ? "refused" : "locked");
        }
    """
    assert (await execute("c", code)).stdout == "refused\n"


async def test_deep_recursion_ends_by_a_signal(execute: Execute) -> None:
    code = """
        #include <stdio.h>

        static int deeper(volatile char *above)
        {
            volatile char here[4096];
            here[0] = above[0] + 1;
            return deeper(here) + here[0];
        }

        int main(void)
        {
            char start[1] = {0};
            printf("%d\\n", deeper(start));
        }
    """
    response = await execute("c", code)
    assert (response.status, response.run.signal) == (Status.SIGNALED, "SIGSEGV")


async def test_open_files_have_a_number(execute: Execute) -> None:
    code = """
        import errno
        import os

        count = 0
        try:
            while True:
                os.pipe()
                count += 2
        except OSError as error:
            print(errno.errorcode[error.errno], count)
    """
    cause, count = (await execute("python", code)).stdout.split()
    assert cause == "EMFILE"
    assert int(count) <= 1024
