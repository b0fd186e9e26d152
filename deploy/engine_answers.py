"""Asks the engine at DOCKER_HOST itself whether it is there; a client on the PATH proves nothing.

Prints its version, or why there is no answer, and exits with 0 or 1.
"""

from __future__ import annotations

import asyncio
import sys

from executor_server import settings
from executor_server.engine.client import EngineAddress, EngineAddressError, EngineClient
from executor_server.errors import EngineError
from executor_server.observer import Observer

_SECONDS = 5.0


async def _version(address: EngineAddress) -> str:
    client = EngineClient(address, Observer())
    try:
        answer = await client.get_json("version", "version", _SECONDS)
    finally:
        await client.close()
    return str(answer["Version"])


def main() -> int:
    """Ask once."""
    values, _ = settings.load({}, None)
    address = EngineAddress(values.docker_host, values.docker_cert_path or None)
    try:
        sys.stdout.write(asyncio.run(_version(address)) + "\n")
    except (EngineError, EngineAddressError, OSError) as failure:
        sys.stdout.write(f"{failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
