"""Two models drawn beside each other."""

from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

HEIGHTS = {"a": 6, "b": 16}
"""Where each model's line lies in a row of 22."""


@register.simple_tag
def pair(a: dict[str, Any], b: dict[str, Any], scale: float) -> SafeString:
    """Both error rates with their intervals, A above B, on an axis from 0 to `scale`."""
    lines = format_html_join("", "{}", ((_line(side, one, scale),) for side, one in (("a", a), ("b", b))))
    grid = format_html_join(
        "", '<line class="grid" x1="{}" x2="{}" y1="0" y2="22"/>', ((at, at) for at in (0, 25, 50, 75, 100))
    )
    return format_html(
        '<svg class="pair" viewBox="-2 0 104 22" preserveAspectRatio="none" aria-hidden="true">{}{}</svg>',
        grid,
        lines,
    )


def _line(side: str, one: dict[str, Any], scale: float) -> SafeString:
    low, value, high = (
        f"{100 * min(1.0, one[name] / scale) if scale else 0.0:.1f}" for name in ("low", "error_rate", "high")
    )
    y = HEIGHTS[side]
    return format_html(
        '<g class="of-{}"><line class="span" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<ellipse class="point" cx="{}" cy="{}" rx="1" ry="4"/></g>',
        side, low, high, y, y, value, y,
    )  # fmt: skip
