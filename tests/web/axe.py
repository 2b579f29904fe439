"""What axe-core finds on a page that would keep somebody from using it: WCAG at level AA, and good practice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
# axe cannot tell the contrast of text whose background it does not see: over a canvas, a gradient, or what overlaps.
# The colours are those that the style sheet gives, each on the nearest background around it that is not let through.
CONTRAST = """(selector) => {
    const element = document.querySelector(selector);
    const parts = (colour) => {
        const numbers = colour.match(/[\\d.]+/g).map(Number);
        const scale = colour.startsWith("color(srgb") ? 255 : 1;
        return [...numbers.slice(0, 3).map((one) => one * scale), numbers[3] ?? 1];
    };
    const over = (front, back) => [0, 1, 2].map((at) => front[at] * front[3] + back[at] * (1 - front[3]));
    const behind = [];
    for (let at = element; at; at = at.parentElement) behind.push(parts(getComputedStyle(at).backgroundColor));
    const ground = behind.reverse().reduce((back, front) => over(front, back), [255, 255, 255]);
    const ink = over(parts(getComputedStyle(element).color), ground);
    const light = (rgb) => rgb.map((one) => one / 255)
        .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
        .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
    const [less, more] = [light(ink), light(ground)].sort((a, b) => a - b);
    return (more + 0.05) / (less + 0.05);
}"""
LEAST_CONTRAST = 4.5


def violations(page: Page) -> list[str]:
    """Each rule that is broken, and where; contrast also where axe itself cannot tell."""
    if not AXE.exists():
        pytest.skip("there is no axe-core in web/node_modules; `.ci/setup test` installs it")
    # The page's own policy lets no script in; what is evaluated by the browser's driver is not asked for it.
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("() => axe.run(document)")
    broken = [
        f"{one['id']} ({one['impact']}): {one['help']}: {'; '.join(node['html'][:120] for node in one['nodes'][:3])}"
        for one in found["violations"]
    ]
    unsure = [node for one in found["incomplete"] if one["id"] == "color-contrast" for node in one["nodes"]]
    for node in unsure:
        # An element that a live page has let go of meanwhile has no contrast.
        selector = node["target"][-1]
        contrast = page.evaluate(CONTRAST, selector) if page.locator(selector).count() else LEAST_CONTRAST
        if contrast < LEAST_CONTRAST:
            broken.append(f"color-contrast of {contrast:.2f}: {node['html'][:120]}")
    return broken
