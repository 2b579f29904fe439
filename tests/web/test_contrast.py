"""The colours of the style sheet can be told apart: text on each background that it stands on, and what is drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[2] / "web/static/css/tokens.css"
FOUND = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", TOKENS.read_text())
LIGHT = {name: light for name, light, _ in FOUND}
DARK = {name: dark for name, _, dark in FOUND}
GROUNDS = ("page", "surface", "raised")
SEVERITIES = ("critical", "warning", "info")
# WCAG 2.2, 1.4.3 and 1.4.11.
TEXT, DRAWN = 4.5, 3.0

ON_EVERY_GROUND = [(ink, ground) for ink in ("ink", "ink-soft", "accent", *SEVERITIES) for ground in GROUNDS]
ON_A_WASH = [(ink, f"{one}-wash") for one in SEVERITIES for ink in ("ink", "ink-soft", one)]
LINES = [name for name in LIGHT if name.startswith("series-")]
GRAPHICS = [
    (drawn, ground)
    for drawn in (*LINES, "heat", "focus", "ok", *(f"{one}-fill" for one in SEVERITIES))
    for ground in ("page", "surface")
]


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    less, more = sorted((luminance(one), luminance(other)))
    return (more + 0.05) / (less + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("pairs", "least"), [(ON_EVERY_GROUND + ON_A_WASH, TEXT), (GRAPHICS, DRAWN)], ids=["text", "drawn"]
)
def test_colours_can_be_told_apart(colours: dict[str, str], pairs: list[tuple[str, str]], least: float) -> None:
    faint = {pair: round(contrast(*(colours[name] for name in pair)), 2) for pair in pairs}
    assert {pair: found for pair, found in faint.items() if found < least} == {}


def test_contrast_is_reckoned_as_wcag_has_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert len(LINES) == 9
