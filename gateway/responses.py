"""HTTP responses: the headers that every one of them has are written here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from gateway.errors import HttpError

JSON = "application/json"

_HEADERS = {
    # instead of aiohttp's, which tells versions to whoever looks for a known hole
    "Server": "code-executor",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def json_response(body: bytes) -> web.Response:
    """Make a 200 with a JSON text."""
    return response(200, body, {"Content-Type": JSON})


def error_response(error: HttpError) -> web.Response:
    """Make the response that an error stands for."""
    return response(error.http_status, error.body(), {"Content-Type": JSON, **error.headers})


def response(status: int, body: bytes, headers: Mapping[str, str]) -> web.Response:
    """Make a response; ``headers`` has at least the content type."""
    return web.Response(status=status, body=body, headers={**_HEADERS, **headers})


def raw_response(error: HttpError) -> bytes:
    """Write a whole response that ends its connection, where there is no request to answer."""
    body = error.body()
    headers = {
        **_HEADERS,
        "Content-Type": JSON,
        **error.headers,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    phrase = HTTPStatus(error.http_status).phrase
    lines = [f"HTTP/1.1 {error.http_status} {phrase}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
