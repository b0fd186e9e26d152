"""What Python programs ask of the kernel: each need fails loudly, the last line is `ok`."""

# ruff: noqa: PTH101, PTH123, PTH211, T201

import asyncio
import concurrent.futures
import fcntl
import mmap
import multiprocessing
import os
import pathlib
import pty
import resource
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
from multiprocessing import shared_memory


def square(number):
    return number * number


def processes():
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(square, range(5)) == [0, 1, 4, 9, 16], method
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        assert pool.submit(square, 7).result() == 49
    block = shared_memory.SharedMemory(create=True, size=4096)
    block.buf[:2] = b"hi"
    block.close()
    block.unlink()
    multiprocessing.Semaphore(1).acquire()


def subprocesses():
    assert subprocess.check_output(["echo", "x"]) == b"x\n"
    assert subprocess.run("exit 3", shell=True).returncode == 3
    assert subprocess.check_output(["echo", "x"], close_fds=False, start_new_session=True) == b"x\n"
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 4"], dict(os.environ))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    child = subprocess.Popen(["sleep", "60"])
    descriptor = os.pidfd_open(child.pid)
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    master, slave = pty.openpty()
    assert os.isatty(slave)
    os.write(slave, b"x")
    assert os.read(master, 1) == b"x"


def threads():
    results = []
    workers = [threading.Thread(target=lambda: results.append(1)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 8


async def echo(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def loopback():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()
    server.close()
    unix = await asyncio.start_unix_server(echo, "echo.sock")
    unix.close()
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    assert (await child.communicate(b"x"))[0] == b"x"
    await asyncio.to_thread(square, 3)


def sockets():
    asyncio.run(loopback())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.sendto(b"x", udp.getsockname())
        assert udp.recv(1) == b"x"
    socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    left, right = socket.socketpair()
    with open("sent", "wb+") as file:
        file.write(b"y" * 4096)
        file.flush()
        assert os.sendfile(left.fileno(), file.fileno(), 0, 4096) == 4096
    assert right.recv(1) == b"y"
    assert any(name == "lo" for _, name in socket.if_nameindex())
    assert socket.getaddrinfo("localhost", 80, flags=socket.AI_ADDRCONFIG)


def files():
    pathlib.Path("a").write_bytes(b"z" * 100_000)
    shutil.copy2("a", "b")
    shutil.copytree(".", "/tmp/tree", ignore=shutil.ignore_patterns("*.sock"))
    with open("a") as source, open("c", "w") as target:
        assert os.copy_file_range(source.fileno(), target.fileno(), 10) == 10
        fcntl.flock(source, fcntl.LOCK_SH)
        fcntl.lockf(target, fcntl.LOCK_EX)
        os.posix_fallocate(target.fileno(), 0, 4096)
        os.fsync(target.fileno())
    os.mkfifo("fifo")
    os.link("a", "hard")
    os.symlink("a", "soft")
    os.utime("a", (1, 1))
    os.chmod("a", 0o600)
    with tempfile.NamedTemporaryFile() as temporary, mmap.mmap(-1, 4096) as anonymous:
        temporary.write(b"x")
        anonymous[0] = 1
    os.close(os.memfd_create("memory"))
    os.close(os.eventfd(1))
    select.epoll().close()
    for mode in ("DELETE", "WAL"):
        with sqlite3.connect("data.sqlite") as database:
            assert database.execute(f"PRAGMA journal_mode={mode}").fetchone() == (mode.lower(),)
            database.execute("CREATE TABLE IF NOT EXISTS t (x)")
            database.execute("INSERT INTO t VALUES (1)")


def limits_and_signals():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(0, resource.RLIMIT_NOFILE) == (soft, hard)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
    assert os.sched_getaffinity(0)
    fired = []
    signal.signal(signal.SIGALRM, lambda *_: fired.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.sigtimedwait([signal.SIGUSR1], 0.1)
    assert fired
    os.sync()


if __name__ == "__main__":
    for need in (processes, subprocesses, threads, sockets, files, limits_and_signals):
        need()
    print("ok")
