"""What Python programs can see of their interpreter."""

from __future__ import annotations

from tests.waiting.observations import Differs, Same, StartsCold, Table, code
from tests.waiting.sandbox import Program

ADDRESS = r"0x[0-9a-f]+"


def _same(
    name: str, text: str, shows: str, exit_code: int = 0, mask: str = r"(?!)", **request: object
) -> Same:
    return Same(name, Program(code(text), **request), shows, exit_code, mask)  # type: ignore[arg-type]


IDENTITY = [
    _same(
        "argv",
        "import sys; print(sys.argv, sys.orig_argv, sys.executable, sys.flags)",
        "'main.py', '-x', 'ä b', '']",
        args=("-x", "ä b", ""),
    ),
    _same(
        "the main module",
        """
        print({name: value for name, value in globals().items()})
        print(__name__, __file__, __spec__, __loader__.path, dir())
        """,
        "__main__ /box/main.py None /box/main.py",
        mask=ADDRESS,
    ),
    _same(
        "loaded modules, in their order",
        "import sys; print([(n, getattr(m, '__file__', '')) for n, m in sys.modules.items()])",
        "'sitecustomize', '/usr/lib/python3.13/sitecustomize.py'",
    ),
    _same(
        "search of modules",
        """
        import sys
        print(sys.path, sys.meta_path, sys.path_hooks, list(sys.path_importer_cache), sys.prefix)
        import helper
        print(helper.__file__, helper.__name__, helper.ANSWER)
        """,
        "/box/helper.py helper 42",
        mask=ADDRESS,
        files={"helper.py": "ANSWER = 42\n"},
    ),
    _same(
        "a module of the program's own called as one of ours",
        "import sys, sitecustomize; print(sitecustomize.__file__, sys.path[0])",
        "/usr/lib/python3.13/sitecustomize.py",
        files={"sitecustomize.py": "print('never')\n"},
    ),
    _same(
        "frames beneath the program",
        """
        import inspect, sys, traceback, warnings
        print(sys._getframe().f_back, len(inspect.stack()))
        traceback.print_stack()
        warnings.warn("outside", stacklevel=2)
        """,
        "None 1",
    ),
    _same(
        "working directory", "import os; print(os.getcwd(), os.listdir('.'))", "/box ['main.py']"
    ),
    _same(
        "open descriptors",
        "import os; print(sorted(os.listdir('/proc/self/fd'))); print(open('main.py').fileno())",
        "['0', '1', '2', '3']\n3",
    ),
    _same(
        "rights and limits",
        """
        import os, resource
        print(os.getuid(), os.umask(0), os.getpgid(0) == os.getsid(0) == os.getpid())
        print([resource.getrlimit(n) for n in range(16)])
        print([l for l in open('/proc/self/status') if l.startswith(('Sig', 'Cap', 'NoNew', 'Threads'))])
        """,
        "123456 18 True",
        mask=r"SigQ:[^']*",
    ),
    _same("command line", "print(open('/proc/self/cmdline').read())", "python3\0main.py"),
    _same(
        "state of the collector and of tracing",
        """
        import gc, sys, threading
        print(gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), gc.garbage, gc.callbacks)
        print(sys.gettrace(), sys.getprofile(), threading.enumerate(), sys.getswitchinterval())
        """,
        "True (",
        mask=r"[0-9]{9,}",
    ),
]

ENDS = [
    _same(
        "uncaught exception",
        """
        def f(n):
            return 1 / n

        try:
            f(0)
        except ZeroDivisionError as error:
            raise ValueError("chained") from error
        """,
        "    return 1 / n\n           ~~^~~\n",
        1,
    ),
    _same(
        "uncaught exception with a note",
        "e = KeyError('x'); e.add_note('note'); raise e",
        "note",
        1,
    ),
    _same("syntax error", "print('never')\nif True\n    pass\n", "SyntaxError: expected ':'", 1),
    _same("wrong indentation", "if True:\n    pass\n  pass\n", "IndentationError", 1),
    _same("NUL in the source", "print(1)\0", "null bytes", 1),
    Same("not UTF-8", Program(b"print('\xff')\n"), "Non-UTF-8 code starting with", 1),
    Same("another encoding", Program(b"# coding: latin-1\nprint('\xe4')\n"), "ä"),
    Same(
        "byte order mark and carriage returns",
        Program(b"\xef\xbb\xbfprint(1)\r\nprint(2)\r\n"),
        "1\n2",
    ),
    _same("a program of nothing", "#", ""),
    _same("sys.exit with a number", "import sys; sys.exit(7)", "", 7),
    _same("sys.exit with a large number", "import sys; sys.exit(-1)", "", 255),
    _same("sys.exit with a message", "import sys; sys.exit('so long')", "so long\n", 1),
    _same("sys.exit without", "raise SystemExit", ""),
    _same("os._exit", "import os; print('x'); os._exit(3)", "x", 3),
    _same("abort", "import os; os.abort()", "", 134),
    _same("keyboard interrupt", "raise KeyboardInterrupt", "KeyboardInterrupt", 130),
    _same(
        "exit hooks in their order",
        """
        import atexit, sys, threading, time, weakref

        class Last:
            def __del__(self):
                print("finaliser", sys is not None)

        last = Last()
        atexit.register(print, "first registered")
        atexit.register(lambda: 1 / 0)
        weakref.finalize(last, print, "weakref")
        threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
        print("end of main")
        """,
        "finaliser True",
        mask=ADDRESS,
    ),
    _same(
        "excepthook",
        "import sys; sys.excepthook = lambda *a: print(a[1]); 1 / 0",
        "division by zero",
        1,
    ),
    _same(
        "output that cannot be flushed",
        "import sys; print('x'); sys.stdout.close(); print('y')",
        "closed file",
        1,
    ),
    _same(
        "recursion limit",
        "def f(n):\n    f(n + 1)\nf(0)\n",
        "Previous line repeated 996 more times",
        1,
    ),
    _same(
        "depth of recursion",
        """
        import sys
        depth = 0
        def f():
            global depth
            depth += 1
            f()
        try:
            f()
        except RecursionError:
            print(sys.getrecursionlimit(), depth)
        """,
        "1000 999",
    ),
    _same(
        "unraisable exception",
        "class A:\n    def __del__(self): 1 / 0\nA()\n",
        "Exception ignored in",
        mask=ADDRESS,
    ),
    _same(
        "exception in a thread",
        "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join(); "
        "print('on')",
        "Exception in thread Thread-1",
    ),
    _same(
        "exception of asyncio",
        "import asyncio\nasync def f(): 1 / 0\nasyncio.run(f())\n",
        "asyncio",
        1,
    ),
    _same(
        "warnings",
        "import warnings; warnings.warn('careful'); print('\\d')",
        "UserWarning: careful",
    ),
]

STREAMS = [
    _same(
        "text from stdin", "print([input('? '), input()])", "? ['ä', 'two']", stdin=("ä\ntwo\n",)
    ),
    _same("end of stdin", "print(repr(input()))", "EOFError", 1),
    _same(
        "bytes from stdin",
        "import sys; print(sys.stdin.buffer.read())",
        "b'\\x00\\xff\\n'",
        stdin=(b"\0\xff\n",),
    ),
    _same(
        "interactive reads",
        """
        import sys, time
        for line in sys.stdin:
            print("got", line, end="")
        """,
        "got b\n",
        stdin=("a\n", "b\n"),
    ),
    _same("descriptor 0", "import os; print(os.read(0, 9))", "b'raw'", stdin=("raw",)),
    _same("stdin that is no text", "print(ascii(input()))", "udcff", stdin=(b"\xff\n",)),
    _same(
        "encodings and buffering",
        """
        import locale, sys
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            print(stream, stream.errors, stream.line_buffering, stream.write_through, stream.isatty())
        print(sys.getfilesystemencoding(), sys.getdefaultencoding(), locale.getlocale(), locale.localeconv())
        print(locale.setlocale(locale.LC_ALL), ascii("ä"), "ä\\udc80".encode("utf-8", "surrogateescape"))
        """,
        "encoding='utf-8'",
    ),
    _same(
        "order of bytes on both streams",
        "import os, sys; print('a'); os.write(1, b'b\\n'); sys.stdout.write('c'); os.write(1, "
        "b'd')",
        "a\nb\ncd",
    ),
    _same(
        "a closed pipe",
        "import os, sys; r, w = os.pipe(); os.close(r); os.write(w, b'x')",
        "BrokenPipeError",
        1,
    ),
]

PROCESSES = [
    _same(
        "signals",
        """
        import signal
        print([(s.name, signal.getsignal(s)) for s in signal.Signals])
        """,
        "'SIGPIPE', <Handlers.SIG_IGN: 1>",
        mask=ADDRESS,
    ),
    _same(
        "SIGINT",
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n",
        "KeyboardInterrupt",
        130,
    ),
    _same("SIGTERM", "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n", "", 143),
    _same("SIGSEGV", "import ctypes\nctypes.string_at(1)\n", "", 139),
    _same(
        "a handler of the program's",
        "import os, signal\nsignal.signal(signal.SIGALRM, lambda *a: print('alarm', a[0]))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()\n",
        "alarm 14",
    ),
    _same(
        "fork",
        "import os\nif os.fork() == 0: print('child'); os._exit(3)\nprint('parent', os.wait()[1] "
        ">> 8)\n",
        "child\nparent 3",
    ),
    *(
        _same(
            f"multiprocessing by {method}",
            f"""
            import multiprocessing, os, sys

            def work(n):
                return n * n, __name__, sys.argv, "PYTHONPATH" in os.environ, sys.path[0]

            if __name__ == "__main__":
                multiprocessing.set_start_method("{method}")
                with multiprocessing.Pool(2) as pool:
                    print(pool.map(work, [1, 2]))
            """,
            f"(4, '{'__main__' if method == 'fork' else '__mp_main__'}'",
            args=("x",),
        )
        for method in ("fork", "spawn", "forkserver")
    ),
    _same(
        "process pool",
        """
        from concurrent.futures import ProcessPoolExecutor
        if __name__ == "__main__":
            with ProcessPoolExecutor() as pool:
                print(list(pool.map(abs, [-1, -2])))
        """,
        "[1, 2]",
    ),
    _same(
        "subprocess",
        """
        import subprocess, sys
        print(subprocess.run([sys.executable, "-c", "import sys; print(sys.path, sys.flags); sys.exit(4)"]))
        print(subprocess.check_output("echo $0 $$ | wc -w; ls /proc/self/fd", shell=True))
        """,
        "returncode=4",
    ),
    _same(
        "a child reads stdin",
        "import subprocess; subprocess.run(['cat'])",
        "for the child",
        stdin=("for the child",),
    ),
    _same(
        "threads",
        """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        print(threading.main_thread(), threading.current_thread().name, threading.active_count())
        print(threading.main_thread().native_id == __import__("os").getpid(), threading.stack_size())
        with ThreadPoolExecutor(4) as pool:
            print(list(pool.map(lambda n: n + 1, range(9))))
        """,
        "True 0\n[1, 2, 3",
        mask=r"[0-9]{9,}",
    ),
    _same(
        "asyncio",
        "import asyncio\nasync def f():\n    await asyncio.sleep(0.05); "
        "print('woke')\nasyncio.run(f())\n",
        "woke",
    ),
    _same(
        "number of CPUs",
        "import os; print(os.cpu_count(), os.process_cpu_count(), len(os.sched_getaffinity(0)))",
        "1 1 ",
    ),
]

ENVIRONMENT = [
    _same(
        "variables, in Python and in C",
        """
        import ctypes, os, posix, subprocess
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_char_p
        print(os.environ, os.environb, posix.environ)
        print(getenv(b"COLOUR"), getenv(b"PYTHONPATH"), os.getenv("ODD"))
        subprocess.run(["env"])
        del os.environ["COLOUR"]
        print(getenv(b"COLOUR"))
        """,
        "b'gr\\xc3\\xbcn' None a=b=",
        env={"COLOUR": "grün", "ODD": "a=b=", "EMPTY": ""},
    ),
    _same(
        "clock",
        "import time; print(time.tzname, time.timezone, time.localtime(0).tm_hour)",
        "('UTC', 'UTC') 0 0",
    ),
    _same(
        "clocks run",
        "import time\na = time.monotonic(); time.sleep(0.1); print(0.09 < time.monotonic() - a < "
        "1)\n",
        "True",
    ),
    _same(
        "what a program brings for its user alone",
        "import colour, sys; print(colour.NAME, sys.path)",
        "red ['/box', ",
        files={".local/lib/python3.13/site-packages/colour.py": "NAME = 'red'\n"},
    ),
]

DIFFERS = [
    Differs(
        "arguments in /proc/self/cmdline",
        Program("print(open('/proc/self/cmdline').read().split('\\0'))", args=("x",)),
        r"\['python3', 'main.py', 'x', ''\]",
        r"\['python3', 'main.py', ''\]",
        "only the kernel writes there, when a program is executed; sys.argv and sys.orig_argv "
        "have them",
    ),
    Differs(
        "variables in /proc/self/environ",
        Program("print('A=b' in open('/proc/self/environ').read().split('\\0'))", env={"A": "b"}),
        "True",
        "False",
        "only the kernel writes there, when a program is executed; os.environ and getenv have them",
    ),
]

COLD = [
    StartsCold(f"variable {name}", Program("print(1)", env={name: value}), because)
    for name, value, because in (
        ("PYTHONHASHSEED", "0", "the seed is drawn at the start"),
        ("PYTHONPATH", "/box", "the search path is made at the start"),
        ("PYTHONWARNINGS", "error", "filters are made at the start"),
        ("PATH", "/bin", "sys.executable is looked up in it at the start"),
        ("HOME", "/tmp", "the user's own packages are looked up in it at the start"),
        ("TZ", "Asia/Tokyo", "module time reads it when it is loaded"),
        ("LC_ALL", "C", "the encodings are chosen at the start"),
        ("LANG", "C", "the encodings are chosen at the start"),
        ("LD_PRELOAD", "libm.so.6", "the dynamic linker reads it at the start"),
        ("MALLOC_ARENA_MAX", "1", "the C library reads it at the start"),
        ("GLIBC_TUNABLES", "glibc.malloc.check=3", "the C library reads it at the start"),
    )
]

TABLE = Table(
    language="python",
    same=[*IDENTITY, *ENDS, *STREAMS, *PROCESSES, *ENVIRONMENT],
    random=[
        Program("print(hash('text'))"),
        Program("import random; print(random.random())"),
        Program(
            "import uuid, secrets, tempfile; print(uuid.uuid4(), secrets.token_hex(), "
            "tempfile.mktemp())"
        ),
        Program("print(id(object()))"),
    ],
    differs=DIFFERS,
    cold=COLD,
)
