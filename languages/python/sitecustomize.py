"""Makes an interpreter wait, inside of its own start, until it is told what to run.

Started as ``PYTHONPATH=<this folder> python3 main.py``: importing this module is the last thing that the
interpreter does before it opens its script. All that comes after the wait it does by itself, so no frame,
module or handler of ours is beneath the program. What is imported here the interpreter has loaded anyway.
"""

import os
import sys

_CHANNEL = 3
_FOLDER = os.path.dirname(__file__)  # noqa: PTH120 - pathlib would stay loaded


def _receive() -> tuple[list[bytes], list[bytes]]:
    """argv and environment, from the message that begins with their counts."""
    message = b""
    while part := os.read(_CHANNEL, 1 << 16):
        message += part
    os.close(_CHANNEL)
    argc, at, strings = int.from_bytes(message[:4], "little"), 8, []
    while at < len(message):
        end = at + 4 + int.from_bytes(message[at : at + 4], "little")
        strings.append(message[at + 4 : end])
        at = end
    return strings[:argc], strings[argc:]


def _must_start_cold(argv: list[str], env: dict[bytes, bytes]) -> bool:
    """Whether the start would have gone another way, had the interpreter known this program."""
    user_site = sys.modules["site"].USER_SITE
    return (
        argv[: len(sys.orig_argv)] != sys.orig_argv
        or _read_at_start(env) != _read_at_start(dict(os.environb))
        or bool(user_site and os.path.isdir(user_site))  # noqa: PTH112 - as above
    )


def _read_at_start(env: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {k: v for k, v in env.items() if k.startswith(b"PYTHON") and k != b"PYTHONPATH"}


def _take_over(argv: list[str], env: dict[bytes, bytes]) -> None:
    # In place: the interpreter made these lists, and keeps the name of its script elsewhere.
    sys.argv += argv[len(sys.orig_argv) :]
    sys.orig_argv[:] = argv
    # This changes posix.environ, which is the same dict, and the environment of the C library.
    os.environb.clear()
    os.environb.update(env)


def _wait() -> None:
    os.write(_CHANNEL, b"\0")
    raw_argv, raw_env = _receive()
    argv = [os.fsdecode(argument) for argument in raw_argv]
    env = dict(entry.split(b"=", 1) for entry in raw_env)
    if _must_start_cold(argv, env):
        os.execvpe(argv[0], argv, env)  # noqa: S606 - the command as it came
    _take_over(argv, env)


_wait()
# The search of this folder leaves no trace, and the image's own module of this name has its turn. Where
# there is none, the error is the one that site expects.
sys.path.remove(_FOLDER)
del sys.path_importer_cache[_FOLDER]
del sys.modules[__name__]
import sitecustomize  # noqa: E402, F401
