"""Verdicts and promotions as pages show them."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from earmark.corpus.models import Collection
from earmark.loop.models import Promotion
from earmark.loop.saying import said, sentence
from earmark.recognition.models import ModelVersion
from earmark.speech.superiority import FEWEST_CLIPS
from training_jobs.comparison_table import KINDS, change_of, percent, slice_label
from training_jobs.models import Comparison

SHOWN = 30


@dataclass(frozen=True)
class SliceLine:
    """One slice of a verdict."""

    label: str
    kind: str
    clips: int
    before: str
    after: str
    change: str
    chance: float | None
    is_worse: bool


@dataclass(frozen=True)
class Told:
    """A verdict: whether it lets the model be promoted, in a sentence, and by slice."""

    promote: bool
    sentence: str
    clips: int
    drawn: str
    draws: int
    seed: int
    fewest: int
    slices: list[SliceLine]


def told(verdict: dict[str, Any]) -> Told | None:
    """`verdict` as `Verdict.as_json` gives it; None for an empty one."""
    if not verdict:
        return None
    return Told(
        promote=verdict["promote"],
        sentence=sentence(verdict),
        clips=verdict["clips"],
        drawn=verdict["drawn"],
        draws=verdict["draws"],
        seed=verdict["seed"],
        fewest=FEWEST_CLIPS,
        slices=[_line(one) for one in verdict["slices"]],
    )


def _line(one: dict[str, Any]) -> SliceLine:
    return SliceLine(
        label=slice_label(one["kind"], one["name"]),
        kind=str(KINDS[one["kind"]]),
        clips=one["clips"],
        before=percent(one["before"]),
        after=percent(one["after"]),
        change=change_of({"value": one["change"], "low": one["low"], "high": one["high"]}),
        chance=one["chance"],
        is_worse=one["is_worse"],
    )


def history_of(collection: Collection, limit: int = SHOWN) -> list[tuple[Promotion, str]]:
    """The newest promotions, each with what it says; one query."""
    rows = Promotion.objects.filter(collection=collection).select_related("model", "before", "by")
    return [(row, said(row)) for row in rows[:limit]]


def last_of(collection: Collection, model: ModelVersion) -> Promotion | None:
    """The last time `model` was judged or promoted in `collection`."""
    return Promotion.objects.filter(collection=collection, model=model).select_related("before", "by").first()


def comparisons_with(collection: Collection, model: ModelVersion) -> list[Comparison]:
    """The newest comparisons that `model` has part in."""
    rows = Comparison.objects.filter(Q(a=model) | Q(b=model), snapshot__collection=collection)
    return list(rows.select_related("a", "b", "job")[:5])
