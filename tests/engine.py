"""The engine as the tests see it: through the program `docker`, beside the service and apart from it."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Callable
from typing import Any

INSTANCE_LABEL = "code-executor"


class EngineRefusedError(Exception):
    """The program `docker` failed; the message is what it said."""


SLEEP = "import subprocess, sys; print(subprocess.run(['sleep', sys.argv[1]]).returncode)"
"""Python that sleeps for its argument's seconds, in a process that ``Engine.running`` finds."""


def sleep_mark(seconds: int) -> str:
    """An argument for SLEEP that no other program has."""
    return f"{seconds}.{secrets.randbelow(10**9):09}"


class Engine:
    """Lists and inspects containers; knows nothing of the service but its labels."""

    def version(self) -> str:
        """Version of the engine. Raises EngineRefusedError, or OSError where `docker` is missing."""
        return self._docker("version", "--format={{.Server.Version}}").strip()

    def containers(self, instance: str) -> list[str]:
        """Full ids of the containers of one service, in any state."""
        label = f"--filter=label={INSTANCE_LABEL}={instance}"
        return self._docker("ps", "--all", "--quiet", "--no-trunc", label).split()

    def running(self, instance: str, word: str) -> str | None:
        """Id of the container of this service in which a command line has this word.

        A program that a waiting process has become has no command line of its own: one that is to be
        found starts another one, see SLEEP.
        """
        for container in self.containers(instance):
            if word in self._processes(container):
                return container
        return None

    def _processes(self, container: str) -> str:
        try:
            return self._docker("top", container, "-eo", "pid,args")
        except EngineRefusedError as failure:
            if "is not running" in str(failure) or "No such container" in str(failure):
                return ""  # not started yet, or gone meanwhile
            raise

    def inspect(self, container: str) -> dict[str, Any]:
        """Everything that the engine knows of a container."""
        found: dict[str, Any] = json.loads(self._docker("inspect", container))[0]
        return found

    def kill(self, container: str) -> None:
        """End a container as an accident would."""
        self._docker("kill", container)

    def remove(self, *containers: str) -> None:
        """Remove containers by force, those that are gone already included."""
        subprocess.run(["docker", "rm", "-f", *containers], capture_output=True, check=False)

    def start_foreign(self, image: str, labels: dict[str, str]) -> str:
        """Start a container that some other server could have left, of an image that has `sleep`."""
        options = [f"--label={name}={value}" for name, value in labels.items()]
        sleep = ("--entrypoint=sleep", image, "600")
        return self._docker("run", "--detach", *options, *sleep).strip()

    def wait_until(self, condition: Callable[[], object], seconds: float, what: str) -> float:
        """Poll until the condition holds; returns the seconds that it took."""
        began = time.monotonic()
        while not condition():
            passed = time.monotonic() - began
            assert passed < seconds, f"after {passed:.1f} s still not: {what}"
            time.sleep(0.05)
        return time.monotonic() - began

    def _docker(self, *arguments: str) -> str:
        command = ["docker", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise EngineRefusedError(f"docker {arguments[0]}: {done.stderr.strip()}")
        return done.stdout
