"""What the gateway's headers make a real browser do: nothing that is text becomes code, and files are kept."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error, Page, expect

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
    assert len(scripts) > 20
    assert all(one["sent"] for one in scripts)
    assert sum(one["sent"] for one in scripts) < sum(one["held"] for one in scripts), "they come in gzip"
    page.goto("about:blank")
    page.goto(address)
    again = _ready(page).evaluate(FILES)
    assert {one["path"] for one in again} == {one["path"] for one in first}
    assert [one["path"] for one in again if one["sent"]] == []
