"""The dashboard's page and files."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import jinja2
import pytest
from yarl import URL

from sysmonstm.gatewayd import web_files
from sysmonstm.gatewayd.pages import Pages
from tests.gatewayd.running_gateway import RunningGateway

KEPT = "public, max-age=31536000, immutable"
PLAIN, GZIP = {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}
SCRIPT = "/static/js/main.js"


async def _prefix(gateway: RunningGateway) -> str:
    """What the page's files lie under."""
    async with gateway.session.get(gateway.server.make_url("/")) as response:
        (prefix,) = set(re.findall(r'="(static/[^/"]+/)', await response.text()))
    assert isinstance(prefix, str)
    return f"/{prefix}"


async def test_the_page_names_its_files_by_what_they_hold_and_nothing_is_inline(gateway: RunningGateway) -> None:
    async with gateway.session.get(gateway.server.make_url("/")) as response:
        page = await response.text()
        assert (response.status, response.content_type, response.charset) == (200, "text/html", "utf-8")
        assert response.headers["Cache-Control"] == "no-cache"
    named = re.findall(r'(?:src|href)="/?(static/[^"]+)"', page)
    assert {path.split("/", 2)[2] for path in named} >= {"bundle/main.js", "bundle/main.css"}, (
        "sh web/bundle makes them"
    )
    for path in named:
        assert re.fullmatch(r"static/[0-9a-f]{16}/.+", path), "in templates the prefix is {{ static }}"
        async with gateway.session.get(gateway.server.make_url(f"/{path}")) as response:
            assert (response.status, response.headers["Cache-Control"]) == (200, KEPT), path
    # The Content-Security-Policy would stop these.
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


async def test_what_a_kept_module_imports_is_kept_too(gateway: RunningGateway) -> None:
    start = URL(f"{await _prefix(gateway)}js/main.js")
    seen, waiting = {start}, [start]
    while waiting:
        module = waiting.pop()
        async with gateway.session.get(gateway.server.make_url(module.path)) as response:
            assert (response.status, response.headers["Cache-Control"]) == (200, KEPT), module
            assert (response.content_type, response.charset) == ("text/javascript", "utf-8")
            text = await response.text()
        imported = {module.join(URL(path)) for path in re.findall(r'(?:from|import) "(\.[^"]+)"', text)}
        waiting += imported - seen
        seen |= imported
    assert len(seen) > 20


@pytest.mark.parametrize("path", ["/", SCRIPT, "/static/vendor/uplot-uPlot.esm.js"])
@pytest.mark.parametrize("accepting", [PLAIN, GZIP])
async def test_without_a_prefix_it_is_sent_again_only_when_it_has_changed(
    gateway: RunningGateway, path: str, accepting: dict[str, str]
) -> None:
    url = gateway.server.make_url(path)
    async with gateway.session.get(url, headers=accepting) as response:
        assert (response.status, response.headers["Cache-Control"]) == (200, "no-cache")
        etag = response.headers["ETag"]
    for known in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        async with gateway.session.get(url, headers=accepting | {"If-None-Match": known}) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert (response.headers["Cache-Control"], response.headers["ETag"]) == ("no-cache", etag)
            assert response.headers["Vary"] == "Accept-Encoding"
    async with gateway.session.get(url, headers=accepting | {"If-None-Match": '"another"'}) as response:
        assert response.status == 200


async def test_a_page_from_before_an_upgrade_gets_the_file_of_today_and_does_not_keep_it(
    gateway: RunningGateway,
) -> None:
    async with gateway.session.get(gateway.server.make_url(SCRIPT)) as response:
        today = await response.read()
    async with gateway.session.get(gateway.server.make_url("/static/0123456789abcdef/js/main.js")) as response:
        assert (response.status, await response.read()) == (200, today)
        assert response.headers["Cache-Control"] == "no-cache"
    for path in ("/static/0123456789abcdef/js/gone.js", "/static/0123456789abcdeg/js/main.js", "/static/js/js/main.js"):
        await gateway.get(path, 404)


@pytest.mark.parametrize("path", ["/", SCRIPT, "/static/css/tokens.css", "/static/img/favicon.svg"])
async def test_texts_come_in_gzip_to_those_who_take_it(gateway: RunningGateway, path: str) -> None:
    url = gateway.server.make_url(path)
    async with gateway.session.get(url, headers=PLAIN) as plain, gateway.session.get(url, headers=GZIP) as short:
        assert "Content-Encoding" not in plain.headers
        assert short.headers["Content-Encoding"] == "gzip"
        assert await plain.read() == await short.read()
        assert int(short.headers["Content-Length"]) < int(plain.headers["Content-Length"])
        assert plain.headers["ETag"] != short.headers["ETag"]
        assert plain.headers["Vary"] == short.headers["Vary"] == "Accept-Encoding"
        assert plain.headers["Content-Type"] == short.headers["Content-Type"]


async def test_heads_are_as_long_as_the_files_and_there_are_no_parts(gateway: RunningGateway) -> None:
    url = gateway.server.make_url(SCRIPT)
    async with gateway.session.get(url) as whole:
        text = await whole.read()
    async with gateway.session.head(url) as head:
        assert (head.status, await head.read()) == (200, b"")
        assert (head.headers["Content-Length"], head.headers["ETag"]) == (
            whole.headers["Content-Length"],
            whole.headers["ETag"],
        )
    async with gateway.session.get(url, headers={"Range": "bytes=0-9"}) as response:
        assert (response.status, await response.read()) == (200, text)


def _pages(folder: Path, *, edited: bool) -> Pages:
    loader = jinja2.FileSystemLoader(folder / "templates")
    return Pages(folder, jinja2.Environment(loader=loader, autoescape=True), edited=edited)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small web/."""
    for name, text in (("static/js/one.js", "let one = 1;"), ("templates/index.html", '<a href="{{ static }}/x">')):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return tmp_path


async def test_in_a_source_tree_an_edit_shows_when_the_page_is_loaded_again(tree: Path) -> None:
    pages = _pages(tree, edited=True)
    before = await pages.renewed()
    assert await pages.renewed() is before
    (tree / "static/js/one.js").write_text("let one = 11;")
    (tree / "static/js/two.js").write_text("let two = 2;")
    (tree / "static/js/.two.js.swp").write_text("an editor's own")
    (tree / "static/js/nowhere.js").symlink_to("gone.js")
    after = await pages.renewed()
    assert after.files.files["js/one.js"].body == b"let one = 11;"
    assert sorted(after.files.files) == ["js/one.js", "js/two.js"]
    assert after.files.digest != before.files.digest
    assert after.files.digest.encode() in after.page.body
    assert after.page.digest != before.page.digest
    (tree / "static/js/two.js").unlink()
    (tree / "templates/index.html").write_text("another")
    last = await pages.renewed()
    assert (last.page.body, sorted(last.files.files)) == (b"another", ["js/one.js"])


def _bundle(tree: Path) -> None:
    (tree / "templates/index.html").write_text("{{ style }} {{ script }}")
    (tree / "static/bundle").mkdir()
    for name in ("main.css", "main.js"):
        (tree / "static/bundle" / name).write_text(name)


async def _named(pages: Pages) -> bytes:
    return (await pages.renewed()).page.body


MODULES, BUNDLE = b"css/main.css js/main.js", b"bundle/main.css bundle/main.js"


async def test_in_a_source_tree_the_bundle_serves_until_a_source_is_edited(tree: Path) -> None:
    pages = _pages(tree, edited=True)
    _bundle(tree)
    assert await _named(pages) == BUNDLE
    source = tree / "static/js/one.js"
    later = (tree / "static/bundle/main.js").stat().st_mtime_ns + 1
    os.utime(source, ns=(later, later))
    assert await _named(pages) == MODULES
    os.utime(tree / "static/bundle/main.js", ns=(later, later))
    assert await _named(pages) == BUNDLE
    (tree / "static/bundle/main.js").unlink()
    assert await _named(pages) == MODULES


async def test_what_is_installed_has_its_bundle_whatever_its_times_are(tree: Path) -> None:
    _bundle(tree)
    os.utime(tree / "static/bundle/main.js", ns=(0, 0))
    assert await _named(_pages(tree, edited=False)) == BUNDLE
    shutil.rmtree(tree / "static/bundle")
    assert await _named(_pages(tree, edited=False)) == MODULES


async def test_what_is_installed_is_read_once(tree: Path) -> None:
    pages = _pages(tree, edited=False)
    before = await pages.renewed()
    (tree / "static/js/one.js").unlink()
    assert await pages.renewed() is before
    assert before.files.find("js/one.js") is not None


def test_files_have_one_name_as_long_as_all_are_the_same(tree: Path) -> None:
    first = web_files.read(tree / "static")
    (tree / "static/js/one.js").write_text("let one = 1;")
    assert web_files.read(tree / "static") == first
    (tree / "static/js/one.js").rename(tree / "static/js/uno.js")
    assert web_files.read(tree / "static").digest != first.digest


async def test_answers_of_the_api_are_not_kept(gateway: RunningGateway) -> None:
    for path in ("/api/machines", "/static/nothing.js"):
        async with gateway.session.get(gateway.server.make_url(path)) as response:
            assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "../../pyproject.toml",
        "%2e%2e/%2e%2e/pyproject.toml",
        "..%2f..%2fpyproject.toml",
        "0123456789abcdef/../../pyproject.toml",
        "/etc/passwd",
        "0123456789abcdef//etc/passwd",
    ],
)
async def test_no_path_leads_out_of_the_files(gateway: RunningGateway, path: str) -> None:
    # By hand, because clients straighten paths out before they send them.
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    writer.write(f"GET /static/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"[project]" not in answer and b"root:" not in answer
