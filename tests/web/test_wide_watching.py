"""What a page does where the gateway follows as many sets of machines and metrics already as it will."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sysmonstm.gatewayd.channels import MAX_WIDE
from tests.web.browsing import MACHINE, PATIENCE_MS, Open
from tests.whole_system import WholeSystem

# Of the icon that a browser asks for beside what is no page.
pytestmark = [pytest.mark.browser, pytest.mark.expects("status of 404")]

# Opens WebSockets that each ask for another metric of all machines; resolves once all have been answered.
FOLLOW = """number => Promise.all(Array.from({length: number}, (_, at) => new Promise((resolve) => {
    const address = new URL(`ws?metrics=shop.queue${at}`, location.href.replace("http", "ws"));
    const socket = new WebSocket(address);
    socket.addEventListener("message", resolve, {once: true});
}))).then(() => true)"""


@pytest.fixture
def crowd(browser: Browser, dashboard_system: WholeSystem) -> Iterator[Page]:
    """A page that has the gateway follow as much as it will; ends with the page."""
    page = browser.new_page()
    page.goto(f"{dashboard_system.url}/health")
    page.evaluate(FOLLOW, MAX_WIDE)
    yield page
    page.context.close()


def test_the_fleet_is_shown_all_the_same_and_says_what_is_the_matter_until_it_is_over(
    open_page: Open, crowd: Page
) -> None:
    page = open_page("/")
    banner = page.locator("#link-banner")
    expect(banner).to_contain_text(re.compile(rf"live, with more than this page needs.*{MAX_WIDE} different"))
    expect(page.locator(f'[data-machine="{MACHINE}"] .cell-cpu b')).to_contain_text("%")
    page.get_by_role("link", name="Compare").click()
    expect(page.locator("#compare-list tr")).to_have_count(1)
    expect(banner).to_contain_text(f"{MAX_WIDE} different")
    crowd.close()
    expect(banner).to_be_hidden(timeout=2 * PATIENCE_MS)
    expect(page.locator("#link-text")).to_have_text("live")


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("path", ["/?view=alerts", f"/?machine={MACHINE}"])
def test_pages_of_few_machines_do_not_run_into_it(open_page: Open, path: str) -> None:
    page = open_page(path)
    expect(page.locator("#link-text")).to_have_text("live")
    page.wait_for_timeout(1500)
    expect(page.locator("#link-banner")).to_be_hidden()
