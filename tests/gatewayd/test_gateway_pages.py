"""The dashboard's page and files."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.gatewayd.running_gateway import RunningGateway


async def test_the_page_and_all_that_it_names_are_served_and_nothing_is_inline(gateway: RunningGateway) -> None:
    async with gateway.session.get(gateway.server.make_url("/")) as response:
        page = await response.text()
        assert (response.status, response.content_type) == (200, "text/html")
        assert response.headers["Cache-Control"] == "no-cache"
    named = re.findall(r'(?:src|href)="/?(static/[^"]+)"', page)
    assert named
    for path in named:
        async with gateway.session.get(gateway.server.make_url(f"/{path}")) as response:
            assert response.status == 200, path
    # The Content-Security-Policy would stop these.
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


async def test_a_file_is_kept_by_browsers_and_sent_again_only_when_it_has_changed(gateway: RunningGateway) -> None:
    url = gateway.server.make_url("/static/vendor/uplot-uPlot.esm.js")
    async with gateway.session.get(url) as response:
        assert response.content_type in ("text/javascript", "application/javascript")
        assert response.headers["Cache-Control"] == "no-cache"
        etag = response.headers["ETag"]
    async with gateway.session.get(url, headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read()) == (304, b"")
        assert response.headers["Cache-Control"] == "no-cache"
    async with gateway.session.get(url, headers={"If-None-Match": '"another"'}) as response:
        assert response.status == 200


async def test_answers_of_the_api_are_not_kept(gateway: RunningGateway) -> None:
    for path in ("/api/machines", "/static/nothing.js"):
        async with gateway.session.get(gateway.server.make_url(path)) as response:
            assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["../../pyproject.toml", "%2e%2e/%2e%2e/pyproject.toml", "..%2f..%2fpyproject.toml"])
async def test_no_path_leads_out_of_the_files(gateway: RunningGateway, path: str) -> None:
    # By hand, because clients straighten paths out before they send them.
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    writer.write(f"GET /static/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"[project]" not in answer
