"""The client for asyncio: the same names as :mod:`code_executor.client`, awaited."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import grpc
import grpc.aio

from code_executor import deadlines
from code_executor._channel import open_aio_channel
from code_executor.errors import CallCancelledError, from_rpc_error
from code_executor.options import ClientOptions
from code_executor.requests import ExecuteFields, execute_request
from code_executor.results import ExecutionResult
from code_executor.v1.executor_pb2 import (
    HealthRequest,
    HealthResponse,
    ListLanguagesRequest,
    ListLanguagesResponse,
)
from code_executor.v1.executor_pb2_grpc import CodeExecutorStub

if TYPE_CHECKING:
    # the generated stub as a type checker sees it on an asyncio channel
    from code_executor.v1.executor_pb2_grpc import CodeExecutorAsyncStub

_Response = TypeVar("_Response")
_CLOSED = "this client is closed; make a new one"


class AsyncClient:
    """Runs programs on a code-executor service, any number at once, on one event loop.

    Args:
        target: where the service is, as gRPC names it; see :class:`Client` for the forms.
        options: transport security, metadata, retries and the like.

    Nothing connects before the first call, which also ties the client to its event loop. Close
    the client, or use it in ``async with``. Cancelling a task that awaits a call ends the program.

    >>> async def main():
    ...     async with AsyncClient("localhost:50051") as client:
    ...         runs = [client.execute(language="python", code=f"print({n})") for n in (1, 2)]
    ...         return [result.stdout for result in await asyncio.gather(*runs)]
    >>> asyncio.run(main())
    ['1\\n', '2\\n']
    """

    def __init__(self, target: str, options: ClientOptions | None = None) -> None:
        self._target = target
        self._options = options or ClientOptions()
        self._closed = False
        # An asyncio channel belongs to the loop that runs when it is made, so both are made by
        # the first call. True: for programs, which go to servers that are SERVING. False: for
        # questions, which any server answers: one that is not SERVING can say why.
        self._channels: dict[bool, grpc.aio.Channel] = {}

    async def execute(
        self, *, rpc_timeout: float | None = None, **fields: Unpack[ExecuteFields]
    ) -> ExecutionResult:
        """Run one program to its end and return everything that it did.

        A program that fails is a result, not an error: see ``ok``, ``status``, ``exit_code``.

        Args:
            rpc_timeout: seconds for the whole call. By default the program's ``timeout_seconds``
                and allowances for compiling and for the queue (:class:`ClientOptions`).
            fields: the program and its limits, see :class:`ExecuteFields`.

        Raises:
            InvalidArgumentError: the server refuses a field; ``field_violations`` names it.
            UnavailableError: no server runs programs now; ``retry_after`` says when to come back.
            ResourceExhaustedError: the caller's own quota is used up.
            DeadlineExceededError: ``rpc_timeout`` passed.
            CodeExecutorError: any other failure of the service.
            TypeError, ValueError: a field that is unknown or has a value it cannot take.
            RuntimeError: the client is closed.

        >>> async def main():
        ...     async with AsyncClient("localhost:50051") as client:
        ...         return await client.execute(language="python", code="print(2")
        >>> result = asyncio.run(main())
        >>> result.ok, result.stderr.splitlines()[-1]
        (False, "SyntaxError: '(' was never closed")
        """
        request = execute_request(**fields)
        seconds = deadlines.execute_seconds(request, self._options)
        method = self._stub(health_checked=True).Execute
        return ExecutionResult(await self._call(method, request, rpc_timeout, seconds))

    async def list_languages(self, *, rpc_timeout: float | None = None) -> ListLanguagesResponse:
        """Return the languages that the server knows, the state of their images and the limits.

        Args:
            rpc_timeout: seconds for the whole call, 10 by default.

        Raises:
            CodeExecutorError: as for :meth:`execute`, except InvalidArgumentError.
            RuntimeError: the client is closed.

        >>> async def main():
        ...     async with AsyncClient("localhost:50051") as client:
        ...         return await client.list_languages()
        >>> asyncio.run(main()).maximum_limits.timeout_seconds > 0
        True
        """
        method = self._stub(health_checked=False).ListLanguages
        return await self._call(
            method, ListLanguagesRequest(), rpc_timeout, deadlines.QUESTION_SECONDS
        )

    async def health(self, *, rpc_timeout: float | None = None) -> HealthResponse:
        """Return the server's state and version, where it can run programs.

        Args:
            rpc_timeout: seconds for the whole call, 10 by default.

        Raises:
            UnavailableError: the server cannot run programs, and its message says why; or no
                server can be reached.
            CodeExecutorError: as for :meth:`execute`, except InvalidArgumentError.
            RuntimeError: the client is closed.

        >>> async def main():
        ...     async with AsyncClient("localhost:50051") as client:
        ...         return await client.health()
        >>> asyncio.run(main()).status
        'healthy'
        """
        method = self._stub(health_checked=False).Health
        return await self._call(method, HealthRequest(), rpc_timeout, deadlines.QUESTION_SECONDS)

    async def close(self) -> None:
        """Close the connections. Calls in other tasks end with CallCancelledError.

        A client can be closed more than once, and not be used again.
        """
        self._closed = True
        for channel in self._channels.values():
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _stub(self, *, health_checked: bool) -> "CodeExecutorAsyncStub":
        if self._closed:
            raise RuntimeError(_CLOSED)
        if health_checked not in self._channels:
            self._channels[health_checked] = open_aio_channel(
                self._target, self._options, health_checked=health_checked
            )
        return CodeExecutorStub(self._channels[health_checked])

    async def _call(
        self,
        method: Callable[..., Awaitable[_Response]],
        request: Any,
        rpc_timeout: float | None,
        default_seconds: float,
    ) -> _Response:
        seconds = default_seconds if rpc_timeout is None else deadlines.checked(rpc_timeout)
        try:
            return await method(request, timeout=seconds, metadata=self._options.metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        except asyncio.CancelledError as error:
            # gRPC cancels calls whose channel closes, and nobody has asked this task to end
            if self._closed and not _is_cancelling():
                raise CallCancelledError(
                    grpc.StatusCode.CANCELLED, "the client was closed"
                ) from error
            raise


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
