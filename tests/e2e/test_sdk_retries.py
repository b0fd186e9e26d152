"""A real server commits a call when its program starts, so that no client runs it a second time.

Needs the fixture ``grpc_address``: host:port of a real server that runs Python programs.
"""

import grpc
from code_executor import ExecuteRequest, ExecuteResponse

SLEEPS = "import time; time.sleep(3); print('slept')"
EXECUTE = "/code_executor.v1.CodeExecutor/Execute"


def test_headers_come_with_the_start_of_the_program(grpc_address: str) -> None:
    with grpc.insecure_channel(grpc_address) as channel:
        # As if the answer were a stream: only then does gRPC hand out headers before the answer.
        execute = channel.unary_stream(
            EXECUTE,
            request_serializer=ExecuteRequest.SerializeToString,
            response_deserializer=ExecuteResponse.FromString,
        )
        call = execute(
            ExecuteRequest(language="python", code=SLEEPS, timeout_seconds=20), timeout=60
        )
        call.initial_metadata()  # returns when the response headers are there
        assert not call.done(), "the headers came with the answer; a lost connection is retried"
        assert next(call).stdout == "slept\n"
