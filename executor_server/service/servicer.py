"""The calls of CodeExecutor: bytes in, checked, run, bytes out."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

import grpc
from code_executor.v1 import executor_pb2 as pb
from google.protobuf.message import DecodeError, Message

from executor_server import __version__
from executor_server.model import Caller, StageBegan
from executor_server.service import errors, response
from executor_server.service.entries import has_more_entries
from executor_server.service.languages import list_languages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from executor_server.execution import Executor
    from executor_server.health import Health
    from executor_server.images import ImageStore
    from executor_server.languages import Languages
    from executor_server.model import ExecutionEvent
    from executor_server.observer import Observer
    from executor_server.service.request import RequestReader
    from executor_server.settings import Settings

    Context = grpc.aio.ServicerContext[bytes, bytes]
    Handler = Callable[[bytes, Context], Awaitable[bytes]]

_Request = TypeVar("_Request", bound=Message)

# Times the entries that are allowed.
_CROWD = 4

CALLER_KEY = "code-executor-caller"
TOKEN_KEY = "code-executor-gateway-token"  # noqa: S105
SERVICE = pb.DESCRIPTOR.services_by_name["CodeExecutor"]


class Servicer:
    """Implements every unary call of the service on raw bytes.

    gRPC's own deserializer answers what does not parse with a bare UNKNOWN; here it is an
    INVALID_ARGUMENT like every other bad request.
    """

    def __init__(
        self,
        settings: Settings,
        reader: RequestReader,
        executor: Executor,
        languages: Languages,
        images: ImageStore,
        health: Health,
        observer: Observer,
        gateway_token: str,
    ) -> None:
        """``gateway_token``: who has it is believed when it says who its caller is."""
        self._settings = settings
        self._reader = reader
        self._executor = executor
        self._languages = languages
        self._images = images
        self._health = health
        self._observer = observer
        self._gateway_token = gateway_token

    def handler(self) -> grpc.GenericRpcHandler:
        """What a gRPC server needs to serve this."""
        calls = {
            "Execute": self._bound(pb.ExecuteRequest, self.execute),
            "ListLanguages": self._bound(pb.ListLanguagesRequest, self.list_languages),
            "Health": self._bound(pb.HealthRequest, self.health),
        }
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            n: grpc.unary_unary_rpc_method_handler(c) for n, c in calls.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE.full_name, methods)

    async def execute(
        self, request: pb.ExecuteRequest, caller: Caller, context: Context
    ) -> Message:
        """Run one program and fold what it says into one answer."""
        program = self._reader.read(request)
        self._health.require_engine()
        remaining = context.time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining
        async with aclosing(self._executor.execute(program, caller, deadline)) as events:
            return await response.fold(_committing(events, context), program.encoding)

    async def list_languages(
        self, request: pb.ListLanguagesRequest, caller: Caller, context: Context
    ) -> Message:
        """What can be run, and within which limits."""
        del request, caller, context
        return list_languages(self._settings, self._languages, self._images)

    async def health(self, request: pb.HealthRequest, caller: Caller, context: Context) -> Message:
        """Raises UnavailableError where no program can be run now."""
        del request, caller, context
        self._health.require()
        return pb.HealthResponse(status="healthy", version=__version__)

    def _bound(
        self, kind: type[_Request], call: Callable[[_Request, Caller, Context], Awaitable[Message]]
    ) -> Handler:
        async def handle(data: bytes, context: Context) -> bytes:
            caller = self._caller(context)
            try:
                answer = await call(self._parse(kind, data), caller, context)
            except asyncio.CancelledError:
                raise
            except _MalformedError as failure:
                await self._fail(context, caller, errors.malformed(failure.reason, str(failure)))
            except Exception as failure:  # noqa: BLE001 - the edge is where every failure becomes a status
                await self._fail(context, caller, self._explain(failure))
            return answer.SerializeToString()

        return handle

    def _parse(self, kind: type[_Request], data: bytes) -> _Request:
        most = self._settings.request_bytes_max
        if len(data) > most:
            said = f"the request has {len(data)} bytes; at most {most} are allowed"
            raise _MalformedError("REQUEST_TOO_LARGE", said)
        self._refuse_crowds(data)
        return _parse(kind, data)

    def _refuse_crowds(self, data: bytes) -> None:
        """Above a few times what is allowed nothing is parsed; below it the answer names the field."""
        settings = self._settings
        allowed = settings.files_max + settings.args_max + settings.env_max
        if has_more_entries(data, _CROWD * allowed):
            raise _MalformedError(
                "TOO_MANY_ENTRIES",
                f"the request has more than {_CROWD * allowed} entries; at most {settings.files_max} "
                f"files, {settings.args_max} args and {settings.env_max} env are allowed",
            )

    def _explain(self, failure: Exception) -> errors.RpcError:
        error_id = secrets.token_hex(8)
        error = errors.of(failure, error_id)
        if error.code is grpc.StatusCode.INTERNAL:
            self._observer.internal_error(error_id, failure)
        return error

    async def _fail(self, context: Context, caller: Caller, error: errors.RpcError) -> None:
        message = error.short_message()
        self._observer.request_refused(caller, error.code.name, error.reason, message)
        try:
            await context.abort(error.code, message, error.trailing_metadata())
        except grpc.aio.AbortError as abort:
            _forget_when_done(abort)
            raise

    def _caller(self, context: Context) -> Caller:
        metadata = dict(context.invocation_metadata() or ())
        token = metadata.get(TOKEN_KEY, "")
        trusted = bool(self._gateway_token) and hmac.compare_digest(
            str(token).encode(), self._gateway_token.encode()
        )
        if trusted and metadata.get(CALLER_KEY):
            return Caller(f"ip:{metadata[CALLER_KEY]!s}", "rest")
        return Caller(_peer_name(context.peer()), "grpc")


async def _committing(
    events: AsyncIterator[ExecutionEvent], context: Context
) -> AsyncIterator[ExecutionEvent]:
    """Send the headers when a command starts: from then on gRPC repeats the call of nobody's program,
    whatever happens to the connection.
    """
    committed = False
    async for event in events:
        if isinstance(event, StageBegan) and not committed:
            committed = True
            await context.send_initial_metadata(())
        yield event


def _forget_when_done(abort: grpc.aio.AbortError) -> None:
    """gRPC's state of a call keeps its abort, which keeps every frame that it came through, the state and
    the whole request among them: a circle that the collector may leave for long, 16 MiB for each call.
    """

    def forget(_: asyncio.Task[object]) -> None:
        abort.__traceback__ = abort.__context__ = None

    task = asyncio.current_task()
    assert task is not None, "a call is handled in a task of its own"
    task.add_done_callback(forget)


class _MalformedError(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _parse(kind: type[_Request], data: bytes) -> _Request:
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as failure:
        raise _MalformedError(
            "MALFORMED_REQUEST",
            f"the request is no {kind.DESCRIPTOR.full_name}: {failure}; expected its protobuf "
            "encoding, with valid UTF-8 in every string",
        ) from failure
    return message


def _peer_name(peer: str) -> str:
    """``ipv4:127.0.0.1:4711`` and ``ipv6:%5B::1%5D:4711`` without what changes with every connection."""
    kind, _, rest = unquote(peer).partition(":")
    if kind in {"ipv4", "ipv6"}:
        return f"ip:{rest.rpartition(':')[0].strip('[]')}"
    return kind
