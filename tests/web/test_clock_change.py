"""Times on the days when clocks change, in a browser whose zone does so, as UTC and as local time."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browsing import PATIENCE_MS
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

# Four hours from midnight in UTC: clocks go on at one, and back.
SPRING, AUTUMN = "2024-03-31", "2024-10-27"
# Notes all that is written on canvases, by charts as nothing else does.
NOTE_TEXTS = """
window.written = new Set();
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    window.written.add(text);
    return fillText.call(this, text, ...rest);
};
"""


@pytest.mark.parametrize(
    ("day", "start", "zone", "fields", "hours"),
    [
        (SPRING, "00:30", "utc", ("00:30", "04:30"), ["01:00", "02:00", "03:00", "04:00"]),
        (SPRING, "00:30", "", ("01:30", "06:30"), ["03:00", "04:00", "05:00", "06:00"]),
        (AUTUMN, "00:30", "utc", ("00:30", "04:30"), ["01:00", "02:00", "03:00", "04:00"]),
        (AUTUMN, "00:30", "", ("02:30", "05:30"), ["02:00", "03:00", "04:00", "05:00"]),
        (AUTUMN, "01:30", "", ("02:30", "05:30"), ["03:00", "04:00", "05:00"]),
    ],
)
def test_fields_and_axes_have_the_hours_of_the_zone_that_is_chosen(
    browser: Browser,
    dashboard_system: WholeSystem,
    day: str,
    start: str,
    zone: str,
    fields: tuple[str, str],
    hours: list[str],
) -> None:
    context = browser.new_context(timezone_id="Europe/Berlin", viewport={"width": 1440, "height": 900})
    context.add_init_script(NOTE_TEXTS)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    shown = f"from={day}T{start}:00Z&to={day}T04:30:00Z"
    page.goto(f"{dashboard_system.url}/?machine=this-machine&{shown}{f'&zone={zone}' if zone else ''}")
    expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()
    page.wait_for_function("last => window.written.has(last)", arg=hours[-1])
    on_axis = sorted(page.evaluate("() => [...window.written].filter((text) => /^\\d\\d:00$/.test(text))"))
    assert on_axis == hours
    page.locator("#time-custom summary").click()
    for field, expected in zip(("from", "to"), fields, strict=True):
        expect(page.locator(f"#time-{field}")).to_have_value(f"{day}T{expected}")
    # What nobody has touched is the same moment still, also where the clock shows it twice.
    page.locator("#time-to").fill(f"{day}T12:00")
    page.get_by_role("button", name="Show", exact=True).click()
    noon = {"utc": 12, "": 10 if day == SPRING else 11}[zone]
    asked = {"from": f"{day}T{start}:00Z", "to": f"{day}T{noon}:00:00Z"}
    page.wait_for_function("to => new URLSearchParams(location.search).get('to') === to", arg=asked["to"])
    assert page.evaluate("() => new URLSearchParams(location.search).get('from')") == asked["from"]
    context.close()
