"""A question that hangs is given up: the page says so, asks again, and recovers without a reload."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.web.browsing import MACHINE_PAGE, PATIENCE_MS, Open

pytestmark = pytest.mark.browser


def hang(_route: Route) -> None:
    """Neither answer nor fail."""


@pytest.mark.parametrize(
    ("path", "question", "said", "text", "recovered"),
    [
        (
            MACHINE_PAGE,
            "**/api/events?*",
            "#events-none",
            "Past events do not answer. Trying again.",
            "#event-list li",
        ),
        (
            "/",
            "**/api/alerts",
            "#alerts-unknown",
            "Alerts cannot be read at the moment: the gateway does not answer. Trying again.",
            "#alerts-unknown[hidden]",
        ),
        (
            "/?view=alerts",
            "**/api/events?*",
            "#alerts-past-said",
            "Past alerts do not answer. Trying again.",
            "#alerts-past li, #alerts-past-said:text('No alert fired')",
        ),
        (
            "/?view=alerts",
            "**/api/rules",
            "#alerts-rules-said",
            "The rules cannot be read: the gateway does not answer. Trying again.",
            "#alerts-rules tr",
        ),
        (
            "/?view=compare",
            "**/api/metrics",
            "#compare-metric .found .hint",
            "The list of metrics does not answer. Trying again.",
            "#compare-metric .found a",
        ),
    ],
    ids=["events", "alerts", "past alerts", "rules", "metrics"],
)
def test_what_hangs_is_given_up_said_and_asked_again(
    open_page: Open, path: str, question: str, said: str, text: str, recovered: str
) -> None:
    page = open_page(path, prepare=lambda page: page.route(question, hang))
    if "compare" in path:
        page.locator("#compare-metric summary").click()
        expect(page.locator(said)).to_have_text("Loading…")
    expect(page.locator(said)).to_have_text(text, timeout=PATIENCE_MS)
    page.unroute(question)
    expect(page.locator(recovered).first).to_be_attached(timeout=PATIENCE_MS)
