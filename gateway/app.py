"""The way of one HTTP request: find its route, read it, make the call, answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

from aiohttp import web
from google.rpc import code_pb2

from gateway.errors import HttpError, http_error
from gateway.json_encoder import encode
from gateway.message_reader import MessageReader
from gateway.metrics import UNMATCHED, HttpMetrics
from gateway.request_body import BodyLimits, read_body, read_json_body
from gateway.responses import error_response, json_response, response
from gateway.rules import Route, Router, method_not_allowed
from gateway.upstream import Upstream, call_context

OPENAPI_PATH, METRICS_PATH = "/openapi.json", "/metrics"
_CLIENT_GONE = 499

_Answer = Callable[[web.BaseRequest], Awaitable[web.Response]]


class GatewayApp:
    """Answers every request, errors included."""

    def __init__(
        self,
        router: Router,
        upstream: Upstream,
        metrics: HttpMetrics,
        openapi: bytes,
        limits: BodyLimits,
    ) -> None:
        """Take the parts; ``openapi`` is the document as it is sent."""
        self._router = router
        self._upstream = upstream
        self._metrics = metrics
        self._openapi = openapi
        self._limits = limits
        self._reader = MessageReader()
        self._pages = {OPENAPI_PATH: self._show_openapi, METRICS_PATH: self._show_metrics}
        self._running: set[asyncio.Task[object]] = set()
        self._draining = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. A client that goes away cancels this, and so the call."""
        label, answer = self._find(request)
        with self._observed(label, request.method) as outcome:
            try:
                answered = await answer(request)
            except HttpError as error:
                answered = error_response(error)
            outcome.code = answered.status
        if self._draining:
            answered.force_close()
        return answered

    async def drain(self, grace_seconds: float) -> None:
        """Answer what is under way within the grace time, and keep no connection after it."""
        self._draining = True
        if self._running:
            await asyncio.wait(self._running, timeout=grace_seconds)

    def close(self) -> None:
        """Let go of what was needed to answer."""
        self._reader.close()

    def _find(self, request: web.BaseRequest) -> tuple[str, _Answer]:
        path = request.rel_url.raw_path
        if path in self._pages:
            return path, partial(self._page, self._pages[path])
        try:
            route = self._router.find(request.method, path)
        except HttpError as error:
            return UNMATCHED, partial(_refuse, error)
        return route.binding.template.text, partial(self._call, route)

    async def _call(self, route: Route, request: web.BaseRequest) -> web.Response:
        """Make a unary call. (A call that streams would have its own function beside this one.)"""
        context = call_context(request.remote or "", request.headers)
        if route.binding.takes_body:
            body = await read_json_body(request, self._limits)
        else:
            body = await self._no_body(request)
        message = await self._reader.read(route, request.rel_url.raw_query_string, body)
        answer = await self._upstream.unary(route.binding, message, context)
        return json_response(encode(answer, route.binding.response_body))

    async def _no_body(self, request: web.BaseRequest) -> bytes:
        if request.body_exists and await read_body(request, self._limits):
            raise http_error(
                code_pb2.INVALID_ARGUMENT, "UNEXPECTED_BODY", "this route takes no body; send none"
            )
        return b""

    async def _page(self, page: _Answer, request: web.BaseRequest) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed({"GET"})
        return await page(request)

    async def _show_openapi(self, _request: web.BaseRequest) -> web.Response:
        return json_response(self._openapi)

    async def _show_metrics(self, request: web.BaseRequest) -> web.Response:
        text, content_type = self._metrics.exposition(request.headers.get("Accept", ""))
        return response(200, text, {"Content-Type": content_type})

    @contextmanager
    def _observed(self, label: str, method: str) -> Iterator[_Outcome]:
        outcome, start, task = _Outcome(), time.perf_counter(), asyncio.current_task()
        assert task is not None
        self._running.add(task)
        task.add_done_callback(self._running.discard)  # it goes on to send the answer
        try:
            with self._metrics.in_flight.track_inprogress():
                yield outcome
        except asyncio.CancelledError:
            outcome.code = _CLIENT_GONE
            raise
        finally:
            self._metrics.observe(label, method, outcome.code, time.perf_counter() - start)


class _Outcome:
    """The HTTP status that a request ended with; 500 until something else is known."""

    code = 500


async def _refuse(error: HttpError, _request: web.BaseRequest) -> web.Response:
    raise error
