"""Client of the code-executor service: runs untrusted programs and says exactly what they did.

>>> with Client("localhost:50051") as client:
...     client.execute(language="python", code="print(1)").stdout
'1\\n'

:class:`Client` is for threads, :class:`AsyncClient` for asyncio; both have the same calls. What
they can raise is in :mod:`code_executor.errors`. The messages that pass are in
:mod:`code_executor.v1`, generated from the service's proto.
"""

from importlib.metadata import version as _version

from code_executor.aio import AsyncClient
from code_executor.client import Client
from code_executor.errors import (
    CallCancelledError,
    CodeExecutorError,
    DeadlineExceededError,
    FieldViolation,
    InternalError,
    InvalidArgumentError,
    PermissionDeniedError,
    QuotaViolation,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from code_executor.options import ClientOptions, TlsOptions
from code_executor.requests import ExecuteFields, execute_request
from code_executor.results import ExecutionResult
from code_executor.v1.executor_pb2 import ExecuteRequest, ExecuteResponse, File

__version__ = _version("code-executor-client")

Status = ExecuteResponse.Status
"""The verdicts: ``Status.TIMEOUT`` is a number, ``Status.Name(result.status)`` its name."""

__all__ = [
    "AsyncClient",
    "CallCancelledError",
    "Client",
    "ClientOptions",
    "CodeExecutorError",
    "DeadlineExceededError",
    "ExecuteFields",
    "ExecuteRequest",
    "ExecuteResponse",
    "ExecutionResult",
    "FieldViolation",
    "File",
    "InternalError",
    "InvalidArgumentError",
    "PermissionDeniedError",
    "QuotaViolation",
    "ResourceExhaustedError",
    "Status",
    "TlsOptions",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "execute_request",
]
