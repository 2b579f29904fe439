"""A whole system and a browser that looks at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.browsing import DESKTOP, PATIENCE_MS, TAGS, Motion, Open, Prepare, Scheme, Watched
from tests.whole_system import WholeSystem, whole_system

# The first is the same browser without windows of its own, whose menus and tabs cost more than most pages do.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
MISSING = "there is no Chromium; apt-get install chromium-headless-shell"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Both end with their module: a synchronous Playwright occupies the thread's event loop while it lives.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    if CHROMIUM is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def dashboard_system(browser: Browser, server_directory: Path) -> Iterator[WholeSystem]:
    """The system whose dashboard is looked at; it asks for the browser, so that it is not started for nothing."""
    with whole_system(server_directory / "web", COLLECTOR_TAGS=",".join(TAGS)) as running:
        running.moves_on()
        yield running


@pytest.fixture(autouse=True)
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    """Fails a test one of whose pages did what it must not; the mark `expects` has words of what the test provokes."""
    watched = Watched()
    for mark in request.node.iter_markers("expects"):
        watched.expects(*mark.args)
    if "browser" not in request.fixturenames:
        yield watched
        return
    browser: Browser = request.getfixturevalue("browser")
    browser.on("context", watched.follow)
    yield watched
    browser.remove_listener("context", watched.follow)
    assert watched.complaints == []


@pytest.fixture
def open_page(browser: Browser, dashboard_system: WholeSystem) -> Iterator[Open]:
    """Opens a path of the dashboard, after `prepare` has had the page."""
    contexts = []

    def open_path(
        path: str = "/",
        size: tuple[int, int] = DESKTOP,
        scheme: Scheme = "light",
        *,
        prepare: Prepare = lambda page: None,
        motion: Motion = "no-preference",
    ) -> Page:
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        prepare(page)
        page.goto(dashboard_system.url + path)
        return page

    yield open_path
    for context in contexts:
        context.close()
