"""How values look on a page: durations, shares, confidences, what was heard."""

import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from earmark.web.naming import FLAGS, JOBS, QUALITIES, REASONS, STAGES, STRATEGIES, name_of

register = template.Library()

DOUBTS = ((0.9, 0), (0.7, 1), (0.5, 2), (0.3, 3), (0.0, 4))
"""Least probability of a token, and how much doubt it is shown with."""
LOW_CONFIDENCE, HIGH_CONFIDENCE = 0.5, 0.8


@register.simple_tag
def icon(name: str) -> SafeString:
    """One drawing of `icons.svg`; never the only thing that carries a meaning."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("web/icons.svg"), name
    )


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds of audio, in the unit a person would use."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return _("%(amount)s s") % {"amount": f"{seconds:.1f}"}
    if seconds < 3600:
        return _("%(amount)s min") % {"amount": f"{seconds / 60:.1f}"}
    return _("%(amount)s h") % {"amount": intcomma(f"{seconds / 3600:.1f}")}


@register.filter
def clock(seconds: float | None) -> str:
    """Seconds as minutes and seconds: 75.4 is 1:15."""
    whole = int(seconds or 0)
    return f"{whole // 60}:{whole % 60:02d}"


@register.filter
def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage: 0.0412 is 4.1%."""
    return "–" if share is None else f"{share * 100:.{digits}f}%"


@register.filter
def of_hundred(share: float) -> str:
    """A share as a coordinate from 0 to 100, written the same in every language."""
    return f"{share * 100:.1f}"


@register.filter
def kilohertz(hertz: int) -> str:
    """A frequency in kHz: 8000 is 8 kHz."""
    return f"{hertz / 1000:g} kHz"


@register.filter
def points(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return f"{difference * 100:+.1f}".replace("-", "−")


@register.filter
def flag_name(code: str) -> str:
    """What people call a flag of a hypothesis."""
    return name_of(code, FLAGS)


@register.filter
def quality_name(code: str) -> str:
    """What people call a quality choice of an annotation."""
    return name_of(code, QUALITIES)


@register.filter
def strategy_name(path: str) -> str:
    """What people call the strategy at a dotted path."""
    return name_of(path, STRATEGIES)


@register.filter
def reasons(why: Mapping[str, float]) -> list[tuple[str, str]]:
    """What a strategy weighed of a clip, `RoundClip.why`, as names and values; a yes has no value, a no is left out."""
    said = []
    for name, value in why.items():
        is_whole = name in ("rank", "cluster", "clips_alike")
        if name == "over_cap":
            if value:
                said.append((name_of(name, REASONS), ""))
            continue
        said.append((name_of(name, REASONS), intcomma(f"{value:.0f}") if is_whole else f"{value:.2f}"))
    return said


@register.filter
def job_name(kind: str) -> str:
    """What people call a kind of job."""
    return name_of(kind, JOBS)


@register.filter
def job_note(note: str) -> str:
    """What a job says it is at; a training says its stage."""
    return str(STAGES.get(note, note))


@register.filter
def of_total(part: float, total: float) -> float:
    """`part` as a share of `total`, 0 for a total of nothing."""
    return part / total if total else 0.0


def doubt(logprob: float) -> int:
    """How much doubt a token of that log-probability is shown with, from 0 (none) to 4."""
    probability = math.exp(min(logprob, 0.0))
    return next(level for least, level in DOUBTS if probability >= least)


def runs(tokens: Sequence[Sequence[Any]]) -> Iterator[tuple[str, int, float]]:
    """`(text, doubt, least probability)` for each stretch of tokens with one doubt.

    A token without text is part of the character its successor ends: its doubt counts there. Where the engine did not
    tell a probability, there is no doubt to show.
    """
    text, level, least, pending = "", 0, 1.0, 0.0
    for piece, logprob, *_rest in tokens:
        logprob = min(0.0 if logprob is None else logprob, pending)
        if not piece:
            pending = logprob
            continue
        pending, probability = 0.0, math.exp(min(logprob, 0.0))
        if text and doubt(logprob) != level:
            yield text, level, least
            text, least = "", 1.0
        text, level, least = text + piece, doubt(logprob), min(least, probability)
    if text:
        yield text, level, least


@register.simple_tag
def heard(hypothesis: Any, sure: Sequence[tuple[str, float]] = ()) -> SafeString:
    """A hypothesis with every doubtful stretch marked; plain text where the tokens do not spell it.

    `sure`: its words with the calibrated probability of each, which then count instead of the tokens.
    """
    if not hypothesis.text:
        return format_html('<span class="heard muted">{}</span>', _("(nothing heard)"))
    calibrated = [(word, math.log(max(right, 1e-9))) for word, right in sure]
    stretches = list(runs(calibrated or hypothesis.tokens))
    if "".join(text for text, *_rest in stretches).strip() != hypothesis.text.strip():
        return format_html('<span class="heard">{}</span>', hypothesis.text)
    marked = format_html_join(
        "",
        "{}",
        (
            (
                format_html(
                    '<span class="doubt doubt-{}" title="{}">{}</span>', level, percent(least, 0), text
                )
                if level
                else text,
            )
            for text, level, least in stretches
        ),
    )
    return format_html('<span class="heard">{}</span>', marked)


@register.simple_tag
def changes(before: str | None, after: str) -> SafeString:
    """`after` with what a person took out of `before` struck through and what they put in marked."""
    if before is None:
        return format_html("{}", after)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    pieces: list[tuple[str]] = []
    for kind, start, end, to_start, to_end in matcher.get_opcodes():
        if kind == "equal":
            pieces.append((after[to_start:to_end],))
            continue
        if end > start:
            pieces.append((format_html("<del>{}</del>", before[start:end]),))
        if to_end > to_start:
            pieces.append((format_html("<ins>{}</ins>", after[to_start:to_end]),))
    return format_html_join("", "{}", pieces)


@register.simple_tag
def confidence(value: float | None) -> SafeString:
    """A clip's confidence as a short bar and a number."""
    if value is None:
        return mark_safe('<span class="muted">–</span>')
    kind = "low" if value < LOW_CONFIDENCE else "middle" if value < HIGH_CONFIDENCE else "high"
    return format_html(
        '<span class="confidence {}"><svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="1"/></svg>{}</span>',
        kind,
        f"{value * 100:.0f}",
        f"{value:.2f}",
    )


@register.simple_tag
def badge(value: str, label: str) -> SafeString:
    """A state with its coloured dot."""
    return format_html('<span class="badge is-{}">{}</span>', value, label)


@register.simple_tag
def interval(low: float, value: float, high: float, scale: float) -> SafeString:
    """An error rate and its interval on a line from 0 to `scale`."""
    at = [100 * min(1.0, one / scale) if scale else 0.0 for one in (low, value, high)]
    return format_html(
        '<svg class="interval" viewBox="-2 0 104 18" preserveAspectRatio="none" aria-hidden="true">'
        '<line class="track" x1="0" x2="100" y1="9" y2="9"/><line class="span" x1="{}" x2="{}" y1="9" y2="9"/>'
        '<ellipse class="point" cx="{}" cy="9" rx="1.6" ry="4"/></svg>',
        f"{at[0]:.1f}",
        f"{at[2]:.1f}",
        f"{at[1]:.1f}",
    )


@register.simple_tag
def trend(evaluations: Sequence[Any]) -> SafeString:
    """Error rates from the first to the last, with their intervals, as a small drawing on a scale from 0."""
    highest = max((one.high for one in evaluations), default=0.0) or 1.0
    step = 300 / max(1, len(evaluations) - 1)
    at = [(round(10 + step * index, 1), one) for index, one in enumerate(evaluations)]
    circle = '<circle class="point" cx="{}" cy="{}" r="3.5"/>'

    def y(rate: float) -> str:
        return f"{78 - 70 * rate / highest:.1f}"

    band = [f"{x},{y(one.low)}" for x, one in at] + [f"{x},{y(one.high)}" for x, one in reversed(at)]
    return format_html(
        '<svg class="trend" viewBox="0 0 320 84" aria-hidden="true">'
        '<line class="track" x1="0" x2="320" y1="78" y2="78"/>'
        '<polygon class="band" points="{}"/><polyline class="line" points="{}"/>{}</svg>',
        " ".join(band),
        " ".join(f"{x},{y(one.error_rate)}" for x, one in at),
        format_html_join("", circle, ((x, y(one.error_rate)) for x, one in at)),
    )


@register.simple_tag
def bar(items: Sequence[Any]) -> SafeString:
    """A bar of several parts; each item has `key` (its colour) and `amount`."""
    total = sum(item.amount for item in items)
    rects, x = [], 0.0
    for item in items:
        width = 100 * item.amount / total if total else 0.0
        rects.append((item.key, f"{x:.3f}", f"{width:.3f}"))
        x += width
    return format_html(
        '<svg class="parts" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        format_html_join("", '<rect class="fill-{}" x="{}" width="{}" height="1"/>', rects),
    )


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """The page's query string with some parameters changed; None takes one out."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = value
    return f"?{parameters.urlencode()}"
