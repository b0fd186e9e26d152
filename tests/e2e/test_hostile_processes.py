"""Group A: programs that attack by time, processes and signals. The verdict is right; nothing remains."""

from __future__ import annotations

import asyncio

import pytest
from code_executor.v1 import executor_pb2 as pb

from tests.e2e.conftest import Execute
from tests.engine import Engine, sleep_mark
from tests.service import Service

Status = pb.ExecuteResponse.Status

FORK_BOMB = """
    #include <unistd.h>

    int main(void)
    {
        for (;;)
            fork();
    }
"""
DEAF_FORK_BOMB = """
    #include <signal.h>
    #include <unistd.h>

    int main(void)
    {
        for (int number = 1; number < 65; number++)
            signal(number, SIG_IGN);
        for (;;)
            if (fork() == 0)
                setsid();
    }
"""


@pytest.mark.parametrize("code", [FORK_BOMB, DEAF_FORK_BOMB], ids=["bomb", "bomb deaf to signals"])
async def test_a_fork_bomb_runs_out_of_time(
    code: str, execute: Execute, service: Service, engine: Engine
) -> None:
    mark = sleep_mark(1)
    task = asyncio.create_task(execute("c", code, args=[mark], timeout_seconds=3))
    await asyncio.to_thread(
        engine.wait_until, lambda: engine.running(service.instance, mark), 15, "it runs"
    )
    bomb = await task
    assert (bomb.status, bomb.timeout) == (Status.TIMEOUT, True)
    assert 3 <= bomb.run.wall_seconds < 5
    assert (await execute("python", "print('next')")).stdout == "next\n"
    engine.wait_until(lambda: not engine.running(service.instance, mark), 2, "it is gone")


async def test_processes_are_bounded(execute: Execute) -> None:
    code = """
        import os
        import time

        count = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(60)
                count += 1
        except BlockingIOError:
            print(count)
    """
    response = await execute("python", code, timeout_seconds=20)
    assert response.status == Status.OK
    assert 32 <= int(response.stdout) <= 64


async def test_threads_are_bounded(execute: Execute) -> None:
    code = r"""
        #include <pthread.h>
        #include <stdio.h>
        #include <unistd.h>

        static void *wait_for_ever(void *nothing)
        {
            pause();
            return nothing;
        }

        int main(void)
        {
            pthread_t thread;
            int count = 0;
            while (pthread_create(&thread, 0, wait_for_ever, 0) == 0)
                count++;
            printf("%d\n", count);
        }
    """
    response = await execute("c", code, timeout_seconds=20)
    assert response.status == Status.OK
    assert 32 <= int(response.stdout) <= 64


async def test_sleep_is_wall_time_and_no_cpu_time(execute: Execute) -> None:
    response = await execute("python", "import time; time.sleep(1e6)", timeout_seconds=1)
    assert response.status == Status.TIMEOUT
    assert response.run.cpu_seconds < 0.3


async def test_a_stopped_program_runs_out_of_time(execute: Execute) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    assert (await execute("python", code, timeout_seconds=1)).status == Status.TIMEOUT


THREADS_OF_WORK = """
    import os

    for _ in range(3):
        if os.fork() == 0:
            break
    while True:
        pass
"""
CHILDREN_OF_WORK = """
    import os
    import time

    while True:
        if os.fork() == 0:
            end = time.process_time() + 0.05
            while time.process_time() < end:
                pass
            os._exit(0)
        os.wait()
"""


@pytest.mark.parametrize("code", [THREADS_OF_WORK, CHILDREN_OF_WORK], ids=["at once", "in turn"])
async def test_cpu_time_is_that_of_all_processes(code: str, execute: Execute) -> None:
    response = await execute(
        "python", code, cpu_time_limit_seconds=1, timeout_seconds=30, cpu_limit=1.0
    )
    assert response.status == Status.CPU_TIME_EXCEEDED
    assert 1 <= response.run.cpu_seconds < 1.5
    assert response.run.wall_seconds < 10


@pytest.mark.parametrize("holds_stdout", [True, False])
async def test_a_daemon_left_behind_is_ended(
    holds_stdout: bool, execute: Execute, service: Service, engine: Engine
) -> None:
    code = f"""
        import os
        import sys
        import time

        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                if not {holds_stdout}:
                    os.close(1), os.close(2)
                os.execvp("sleep", ["sleep", sys.argv[1]])
            os._exit(0)
        time.sleep(0.5)
        print("parent")
    """
    mark = sleep_mark(600)
    response = await execute("python", code, args=[mark])
    assert (response.status, response.stdout) == (Status.OK, "parent\n")
    assert response.run.wall_seconds < 2
    engine.wait_until(lambda: not engine.running(service.instance, mark), 2, "it is gone")


async def test_killing_everybody_hits_only_oneself(execute: Execute) -> None:
    code = """
        import os
        import signal
        import time

        child = os.fork()
        if child == 0:
            time.sleep(600)
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT):
            os.kill(1, number)
        os.kill(-1, signal.SIGKILL)
        print(os.waitpid(child, 0)[1])
    """
    response = await execute("python", code, timeout_seconds=10)
    assert (response.status, response.stdout) == (Status.OK, "9\n")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM", "SIGUSR1"])
async def test_a_signal_has_its_name(name: str, execute: Execute) -> None:
    code = f"""
        import os
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.{name})
    """
    response = await execute("python", code)
    assert (response.status, response.run.signal) == (Status.SIGNALED, name)
    assert response.exit_code > 128
    assert not response.memory_exceeded


async def test_the_clock_cannot_be_set(execute: Execute) -> None:
    code = """
        import time

        try:
            time.clock_settime(time.CLOCK_REALTIME, 0)
        except PermissionError:
            print("refused")
    """
    assert (await execute("python", code)).stdout == "refused\n"
