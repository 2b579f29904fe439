"""Answers of the API in gzip, for clients that take it."""

from __future__ import annotations

import gzip
import threading

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sysmonstm.gatewayd import compression
from sysmonstm.gatewayd.compression import accepts_gzip
from tests.gatewayd.fleet_publisher import LAYOUT, FleetPublisher
from tests.gatewayd.running_gateway import RunningGateway

PLAIN, GZIP = {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}


@pytest.mark.parametrize(
    "header",
    [
        "gzip",
        "GZIP",
        "gzip, deflate, br, zstd",
        "br;q=1.0, gzip;q=0.5",
        "x-gzip",
        "*",
        "deflate, *;q=0.1",
        " gzip ; q=1 ",
    ],
)
def test_gzip_by_name_or_as_any_is_taken(header: str) -> None:
    assert accepts_gzip(header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "identity",
        "br",
        "gzip;q=0",
        "gzip;q=0.000",
        "*, gzip;q=0",
        "*;q=0",
        "gzipped",
        "gzip;q=x",
        "gzip;q=nan",
        ";,;",
    ],
)
def test_anything_else_is_not(header: str) -> None:
    assert not accepts_gzip(header)


@pytest.mark.parametrize("machines", [20, 300])
@pytest.mark.parametrize("path", ["/api/machines?metrics=cpu.percent", "/metrics"])
async def test_long_answers_are_the_same_in_gzip(
    gateway: RunningGateway, publisher: FleetPublisher, path: str, machines: int
) -> None:
    names = [f"web{number}" for number in range(machines)]
    hellos = [publisher.hello(name) for name in names]
    publisher.publish([publisher.frame(name, [1, 2, 3, 4]) for name in names], hellos, [LAYOUT])
    await gateway.knows(*names)
    url = gateway.server.make_url(path)
    async with gateway.session.get(url, headers=PLAIN) as plain, gateway.session.get(url, headers=GZIP) as short:
        text, same = await plain.text(), await short.text()
        # Both sides of where a thread is worth its while.
        assert (int(plain.headers["Content-Length"]) >= compression.IN_THREAD_BYTES) is (machines == 300)
        assert "Content-Encoding" not in plain.headers
        assert (short.headers["Content-Encoding"], short.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert plain.headers["Vary"] == "Accept-Encoding"
        assert int(short.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
        assert all(name in text for name in names)
        assert short.headers["Content-Type"] == plain.headers["Content-Type"]
    # The gateway counts requests, this one too.
    assert same == text.replace("gatewayd_requests_total 1\n", "gatewayd_requests_total 2\n")
    async with gateway.session.head(url, headers=GZIP) as head:
        assert (head.headers["Content-Encoding"], await head.read()) == ("gzip", b"")


@pytest.mark.parametrize("length", [compression.LEAST_BYTES - 1, compression.LEAST_BYTES])
@pytest.mark.parametrize("content_type", ["application/json", "text/html", "application/octet-stream", "image/png"])
@pytest.mark.parametrize("takes", [True, False])
async def test_texts_from_some_length_on_are_shortened_and_caches_told_that_it_depends(
    content_type: str, length: int, takes: bool
) -> None:
    body = b"x" * length

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type)

    request = make_mocked_request("GET", "/", headers=GZIP if takes else PLAIN)
    answer = await compression.compress(request, handle)
    assert isinstance(answer, web.Response) and isinstance(answer.body, bytes)
    text = compression.is_text(content_type)
    assert text is content_type.endswith(("json", "html"))
    shortened = text and takes and length == compression.LEAST_BYTES
    assert answer.headers.get("Vary") == ("Accept-Encoding" if text else None)
    assert answer.headers.get("Content-Encoding") == ("gzip" if shortened else None)
    assert (gzip.decompress(answer.body) if shortened else answer.body) == body


async def test_what_a_thread_is_worth_is_done_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a large answer would hold everybody up."""
    done_by: dict[int, bool] = {}
    gzipped = compression.gzipped

    def noting(body: bytes, level: int) -> bytes:
        done_by[len(body)] = threading.current_thread() is threading.main_thread()
        return gzipped(body, level)

    monkeypatch.setattr(compression, "gzipped", noting)
    most = compression.IN_THREAD_BYTES
    for length in (most - 1, most):

        async def handle(_: web.Request, length: int = length) -> web.Response:
            return web.Response(text="x" * length)

        await compression.compress(make_mocked_request("GET", "/", headers=GZIP), handle)
    assert done_by == {most - 1: True, most: False}


async def test_short_answers_and_problems_are_left_as_they_are(gateway: RunningGateway) -> None:
    for path, status in (("/health", 200), ("/api/machines", 200), ("/nothing", 404), ("/api/events?limit=x", 400)):
        async with gateway.session.get(gateway.server.make_url(path), headers=GZIP) as response:
            assert (response.status, "Content-Encoding" in response.headers) == (status, False)


def test_what_is_made_is_gzip_and_always_the_same() -> None:
    body = b"numbers " * 1000
    assert len(compression.gzipped(body, compression.QUICK)) < len(body) / 10
    assert gzip.decompress(compression.gzipped(body, compression.QUICK)) == body
    assert compression.gzipped(body, compression.THOROUGH) == compression.gzipped(body, compression.THOROUGH)
