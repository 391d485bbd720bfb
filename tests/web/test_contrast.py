"""Text can be read: WCAG 2.2 AA contrast of the tokens, in light and in dark."""

import re
from pathlib import Path

import pytest

from earmark import web

TOKENS = (Path(web.__file__).parent / "static" / "web" / "css" / "tokens.css").read_text(encoding="utf-8")
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", TOKENS)
}
ON = {
    **dict.fromkeys(("text", "muted"), ("bg", "surface", "raised", "hover", "sunken")),
    **{text: ("bg", "surface", f"{text}-soft") for text in ("accent", "good", "warn", "bad")},
    "on-accent": ("accent", "accent-hover"),
}
SHADED = [f"doubt-{level}" for level in range(1, 5)]


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_text_stands_out(mode: int) -> None:
    pairs = [(text, ground) for text, grounds in ON.items() for ground in grounds]
    pairs += [("text", ground) for ground in SHADED]
    found = {pair: contrast(COLOURS[pair[0]][mode], COLOURS[pair[1]][mode]) for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_what_is_drawn_stands_out(mode: int) -> None:
    drawn = [f"series-{number}" for number in range(1, 7)] + ["state-labelled", "accent"]
    found = {name: contrast(COLOURS[name][mode], COLOURS["surface"][mode]) for name in drawn}
    assert {name: round(ratio, 2) for name, ratio in found.items() if ratio < 3} == {}
