"""Reads the body of a request within bounds of size and time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http import HttpVersion11
from google.rpc import code_pb2

from gateway.errors import HttpError, http_error
from gateway.responses import JSON


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What one request body may take."""

    max_bytes: int
    timeout_seconds: float


async def read_json_body(request: web.BaseRequest, limits: BodyLimits) -> bytes:
    """Read a body that must be JSON.

    Raises:
        HttpError: 415 for another content type or a content coding, else as ``read_body``.
    """
    _check_content_type(request)
    return await read_body(request, limits)


async def read_body(request: web.BaseRequest, limits: BodyLimits) -> bytes:
    """Read a whole body, and tell a client that waits for leave (``Expect``) to send it.

    Raises:
        HttpError: 413 too large (before it is sent, where its size is announced), 408 too slow,
            417 another expectation, 400 broken chunks.
    """
    if (request.content_length or 0) > limits.max_bytes:
        raise _too_large(limits)
    await _continue(request)
    try:
        async with asyncio.timeout(limits.timeout_seconds):
            return await _read(request, limits)
    except TimeoutError as error:
        raise http_error(
            code_pb2.DEADLINE_EXCEEDED,
            "REQUEST_TIMEOUT",
            f"the body did not arrive within {limits.timeout_seconds:g} seconds",
            http_status=408,
            headers={"Connection": "close"},
        ) from error
    except web.RequestPayloadError as error:
        raise http_error(
            code_pb2.INVALID_ARGUMENT,
            "MALFORMED_HTTP",
            "the body is not framed as its headers say (Content-Length or chunks)",
        ) from error


async def _read(request: web.BaseRequest, limits: BodyLimits) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limits.max_bytes:
            raise _too_large(limits)
    return bytes(body)


def _check_content_type(request: web.BaseRequest) -> None:
    # Asked for even where it could be guessed: a page of another site can make a browser send a
    # body here without asking first, but not with this type.
    coding = request.headers.get("Content-Encoding", "identity")
    charset = (request.charset or "utf-8").lower()
    if request.content_type != JSON or charset != "utf-8" or coding.lower() != "identity":
        raise http_error(
            code_pb2.INVALID_ARGUMENT,
            "UNSUPPORTED_MEDIA_TYPE",
            f"send the header Content-Type: {JSON} and a body in UTF-8 without Content-Encoding",
            http_status=415,
            headers={"Accept": JSON},
        )


async def _continue(request: web.BaseRequest) -> None:
    expectation = request.headers.get("Expect")
    if expectation is None or request.version < HttpVersion11:
        return
    if expectation.lower() != "100-continue":
        raise http_error(
            code_pb2.INVALID_ARGUMENT,
            "EXPECTATION_FAILED",
            "the only expectation that can be met is 100-continue",
            http_status=417,
        )
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the response has not begun


def _too_large(limits: BodyLimits) -> HttpError:
    return http_error(
        code_pb2.INVALID_ARGUMENT,
        "REQUEST_TOO_LARGE",
        f"the body is larger than {limits.max_bytes} bytes",
        http_status=413,
    )
