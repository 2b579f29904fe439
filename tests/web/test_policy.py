"""What the gateway's headers make a real browser do: nothing that is text becomes code, and files are kept."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error, Page, Route, expect

from tests.web.browsing import Open, Watched

pytestmark = pytest.mark.browser

FILES = """() => performance.getEntriesByType("resource")
    .filter((one) => new URL(one.name).pathname.startsWith("/static/"))
    .map((one) => ({ path: new URL(one.name).pathname, sent: one.transferSize, held: one.decodedBodySize }))"""
INLINE = """() => { const made = document.createElement("script"); made.textContent = "window.ran = true";
    document.head.append(made); }"""


def _ready(page: Page) -> Page:
    expect(page.locator(".fleet-row[data-machine]").first).to_be_visible()
    return page


@pytest.mark.parametrize(
    "attempt",
    [
        "() => { document.body.innerHTML = '<img src=x onerror=alert(1)>'; }",
        "() => { document.createElement('div').insertAdjacentHTML('beforeend', '<b>'); }",
        "() => { trustedTypes.createPolicy('mine', { createHTML: (text) => text }); }",
        INLINE,
    ],
)
def test_no_text_becomes_markup_or_code(open_page: Open, watched: Watched, attempt: str) -> None:
    page = _ready(open_page())
    with pytest.raises(Error, match=r"Trusted|trusted|Policy"):
        page.evaluate(attempt)
    assert page.evaluate("window.ran") is None
    assert watched.complaints
    # The browser complains of what this test did.
    watched.complaints.clear()


def test_the_second_time_every_file_is_there_already(open_page: Open) -> None:
    page = _ready(open_page())
    address, first = page.url, page.evaluate(FILES)
    scripts = [one for one in first if one["path"].endswith(".js")]
    assert {one["path"].split("/", 3)[3] for one in scripts} == {"bundle/main.js", "js/page/theme-first.js"}
    assert all(one["sent"] for one in scripts)
    assert sum(one["sent"] for one in scripts) < sum(one["held"] for one in scripts), "they come in gzip"
    page.goto("about:blank")
    page.goto(address)
    again = _ready(page).evaluate(FILES)
    assert {one["path"] for one in again} == {one["path"] for one in first}
    assert [one["path"] for one in again if one["sent"]] == []


def test_while_they_are_edited_the_modules_serve_one_by_one(open_page: Open) -> None:
    page = _ready(open_page())
    # In the place of the bundle: the gateway names the other files when it is behind them, and that has its own test.
    page.route("**/bundle/main.js", lambda route: _says(route, "text/javascript", 'import "../js/main.js";'))
    page.route("**/bundle/main.css", lambda route: _says(route, "text/css", '@import "../css/main.css";'))
    page.reload()
    paths = [one["path"] for one in _ready(page).evaluate(FILES)]
    assert len([path for path in paths if "/js/" in path]) > 100
    assert page.evaluate("() => getComputedStyle(document.body).marginTop") == "0px"


def _says(route: Route, content_type: str, text: str) -> None:
    route.fulfill(content_type=content_type, body=text)
