"""The gRPC service config of a client: which servers get calls, and what is tried again.

Calls are spread over all addresses of the target (``round_robin``); a server whose standard health
service does not say SERVING gets no program until it does.

What is tried again is a call that ended with UNAVAILABLE before the server's response headers:

* ``ListLanguages`` and ``Health`` change nothing, so any repetition is safe.
* ``Execute`` answers UNAVAILABLE only before a program starts (queue full, draining, image not
  ready), and the headers that a server sends at the start commit the call: gRPC never repeats it
  after them, not even when the connection breaks.

A server says when to come back with ``grpc-retry-pushback-ms``, which replaces the backoff here.
Format: grpc/service_config/service_config.proto and proposal A6 of the gRPC project.
"""

import json
from typing import Any

from code_executor.options import ClientOptions
from code_executor.v1 import executor_pb2

_SERVICE = executor_pb2.DESCRIPTOR.services_by_name["CodeExecutor"].full_name

# With a server that refuses most calls, repeating each of them makes it worse: when failures
# outnumber successes by far, gRPC stops repeating until successes have filled this up again.
_THROTTLING = {"maxTokens": 100, "tokenRatio": 0.5}


def service_config(options: ClientOptions, *, health_checked: bool) -> str:
    """Return the service config as JSON, for the channel argument ``grpc.service_config``.

    With ``health_checked``, servers that are not SERVING are left out. Without it every server
    that can be reached is asked.
    """
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if health_checked:
        # "" is the health of the server as a whole
        config["healthCheckConfig"] = {"serviceName": ""}
    if options.max_attempts > 1:
        config["methodConfig"] = [_retried(options.max_attempts)]
        config["retryThrottling"] = _THROTTLING
    return json.dumps(config)


def _retried(max_attempts: int) -> dict[str, Any]:
    return {
        "name": [{"service": _SERVICE}],
        "retryPolicy": {
            "maxAttempts": max_attempts,
            "initialBackoff": "0.1s",
            "maxBackoff": "2s",
            "backoffMultiplier": 3,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }
