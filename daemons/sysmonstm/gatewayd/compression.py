"""Answers in gzip for clients that take it. Nothing else: every browser has it, and so has Prometheus."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

# Levels above 2 take history, which is numbers, six times as long for a twentieth less.
QUICK, THOROUGH = 1, 9
LEAST_BYTES = 1024
# 70 µs of work, as long as it takes to hand it to a thread. Without it 10 MB of /metrics would hold everybody up.
IN_THREAD_BYTES = 32_768
# What zlib calls a gzip header and the largest window.
GZIP_BITS = 31
TEXTS = frozenset({"application/json", "application/manifest+json", "image/svg+xml"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_text(content_type: str) -> bool:
    """Whether what is of this type becomes shorter."""
    plain = content_type.partition(";")[0]
    return plain.startswith("text/") or plain in TEXTS


def takes_gzip(request: web.Request) -> bool:
    """Whether the client can be answered in gzip."""
    return accepts_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the header allows gzip, by name or as any."""
    weights = dict(map(_weighted, accept_encoding.lower().split(",")))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weighted(part: str) -> tuple[str, float]:
    coding, *parameters = (one.strip() for one in part.split(";"))
    for one in parameters:
        name, _, value = one.partition("=")
        if name.strip() == "q":
            try:
                return coding, float(value)
            except ValueError:
                return coding, 0.0
    return coding, 1.0


def gzipped(body: bytes, level: int) -> bytes:
    """The same to the byte whenever it is made."""
    return zlib.compress(body, level, wbits=GZIP_BITS)


@web.middleware
async def compress(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Shorten texts of some length, unless the handler has its own way."""
    response = await handler(request)
    if not isinstance(response, web.Response) or hdrs.VARY in response.headers:
        return response
    body = response.body
    if not isinstance(body, bytes) or not is_text(response.content_type):
        return response
    response.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
    if len(body) >= LEAST_BYTES and takes_gzip(request):
        quick = len(body) < IN_THREAD_BYTES
        response.body = gzipped(body, QUICK) if quick else await asyncio.to_thread(gzipped, body, QUICK)
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    return response
