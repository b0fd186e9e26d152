"""How long a call may take before the client gives up with DEADLINE_EXCEEDED."""

import math

from code_executor.options import ClientOptions
from code_executor.v1.executor_pb2 import ExecuteRequest

DEFAULT_RUN_SECONDS = 30.0
"""What a server grants a run that asks for no ``timeout_seconds`` (executor.proto)."""

QUESTION_SECONDS = 10.0
"""For calls that run no program: ``list_languages`` and ``health``."""

# The server refuses absurd limits with an error that says what is allowed. The deadline must live
# long enough to carry it, and must be a number that gRPC can add to the clock.
_LONGEST_RUN_SECONDS = 24 * 3600.0


def execute_seconds(request: ExecuteRequest, options: ClientOptions) -> float:
    """Return the deadline of an ``Execute`` call in seconds from now.

    The run's own wall time, so that a program that uses all of it still answers with TIMEOUT, and
    the allowances of the options for compiling and for the queue.
    """
    allowances = options.compile_allowance_seconds + options.queue_allowance_seconds
    return _run_seconds(request.timeout_seconds) + allowances


def _run_seconds(timeout_seconds: float) -> float:
    if math.isnan(timeout_seconds) or timeout_seconds <= 0:
        return DEFAULT_RUN_SECONDS
    return min(timeout_seconds, _LONGEST_RUN_SECONDS)


def checked(rpc_timeout: float) -> float:
    """Return a deadline that a caller gave, in seconds.

    Raises:
        ValueError: it is not a finite number above 0.
    """
    if not (math.isfinite(rpc_timeout) and rpc_timeout > 0):
        raise ValueError(
            f"rpc_timeout is {rpc_timeout}; expected seconds above 0, or None to compute it "
            "from the limits of the request"
        )
    return rpc_timeout
