"""The client for threads."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc

from code_executor import deadlines
from code_executor._channel import open_channel
from code_executor.errors import from_rpc_error
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

_Response = TypeVar("_Response")


class Client:
    """Runs programs on a code-executor service. One client serves any number of threads.

    Args:
        target: where the service is, as gRPC names it: ``"localhost:50051"``,
            ``"dns:///executor.internal:50051"`` (all its addresses are used),
            ``"ipv4:10.0.0.1:50051,10.0.0.2:50051"``, ``"unix:/run/executor.sock"``.
        options: transport security, metadata, retries and the like.

    Nothing connects before the first call. Close the client, or use it in ``with``.

    >>> with Client("localhost:50051") as client:
    ...     client.execute(language="python", code="print(6 * 7)").stdout
    '42\\n'
    """

    def __init__(self, target: str, options: ClientOptions | None = None) -> None:
        self._options = options or ClientOptions()
        self._closed = False
        # Programs go to servers that are SERVING. Questions go to any server: the one that is not
        # SERVING is the one that can say why.
        self._programs = open_channel(target, self._options, health_checked=True)
        self._questions = open_channel(target, self._options, health_checked=False)
        self._execute = CodeExecutorStub(self._programs).Execute
        self._ask = CodeExecutorStub(self._questions)

    def execute(
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

        >>> with Client("localhost:50051") as client:
        ...     result = client.execute(
        ...         language="python",
        ...         code="import sys; print(sys.argv[1], input(), open('note.txt').read())",
        ...         args=["one"],
        ...         input="two",
        ...         files={"note.txt": "three"},
        ...         timeout_seconds=10,
        ...     )
        >>> result.ok, result.stdout
        (True, 'one two three\\n')
        """
        request = execute_request(**fields)
        seconds = deadlines.execute_seconds(request, self._options)
        return ExecutionResult(self._call(self._execute, request, rpc_timeout, seconds))

    def list_languages(self, *, rpc_timeout: float | None = None) -> ListLanguagesResponse:
        """Return the languages that the server knows, the state of their images and the limits.

        Args:
            rpc_timeout: seconds for the whole call, 10 by default.

        Raises:
            CodeExecutorError: as for :meth:`execute`, except InvalidArgumentError.
            RuntimeError: the client is closed.

        >>> with Client("localhost:50051") as client:
        ...     answer = client.list_languages()
        >>> "python" in [language.name for language in answer.languages]
        True
        """
        return self._call(
            self._ask.ListLanguages,
            ListLanguagesRequest(),
            rpc_timeout,
            deadlines.QUESTION_SECONDS,
        )

    def health(self, *, rpc_timeout: float | None = None) -> HealthResponse:
        """Return the server's state and version, where it can run programs.

        Args:
            rpc_timeout: seconds for the whole call, 10 by default.

        Raises:
            UnavailableError: the server cannot run programs, and its message says why; or no
                server can be reached.
            CodeExecutorError: as for :meth:`execute`, except InvalidArgumentError.
            RuntimeError: the client is closed.

        >>> with Client("localhost:50051") as client:
        ...     client.health().status
        'healthy'
        """
        return self._call(
            self._ask.Health, HealthRequest(), rpc_timeout, deadlines.QUESTION_SECONDS
        )

    def close(self) -> None:
        """Close the connections. Calls in other threads end with CallCancelledError.

        A client can be closed more than once, and not be used again.
        """
        self._closed = True
        self._programs.close()
        self._questions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(
        self,
        method: Callable[..., _Response],
        request: Any,
        rpc_timeout: float | None,
        default_seconds: float,
    ) -> _Response:
        seconds = default_seconds if rpc_timeout is None else deadlines.checked(rpc_timeout)
        try:
            return method(request, timeout=seconds, metadata=self._options.metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        except ValueError as error:
            # gRPC's word for a closed channel; asked afterwards, so that a close in another
            # thread between question and call changes nothing
            if self._closed:
                raise RuntimeError("this client is closed; make a new one") from error
            raise
