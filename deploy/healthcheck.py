"""Exits with 0 while the service of this container runs programs; for HEALTHCHECK and `docker exec`.

It asks the front that the environment's settings name: the standard health service of gRPC, or
``/health`` of a gateway alone.
"""

from __future__ import annotations

import sys
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from executor_server import settings

_SECONDS = 4.0
# A proxy of the environment is for the outside world.
_DIRECT = [("grpc.enable_http_proxy", 0)]


def _grpc_serves(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}", _DIRECT) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        answer = check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _gateway_serves(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/health", timeout=_SECONDS) as answer:
        return bool(answer.status == 200)


def main() -> int:
    """Ask once; the reason of a failure goes to stderr, where the engine keeps it."""
    values, _ = settings.load({}, None)
    try:
        if values.mode == "http":
            return 0 if _gateway_serves(values.http_port) else 1
        return 0 if _grpc_serves(values.grpc_port) else 1
    except (grpc.RpcError, OSError) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
