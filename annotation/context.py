"""Reads: what is said before and after clips in their recordings. A fixed number of queries for any number of clips."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from annotation.plans import plan_of
from annotation.project import LONG_SECONDS, Page, Surroundings, glossary_lines
from earmark.corpus.audio_links import MARGIN_SECONDS, clip_url
from earmark.corpus.margins import place_in_wide
from earmark.corpus.models import Clip, Collection, Reference
from earmark.recognition.models import Hypothesis, ModelVersion


def page_of(collection: Collection, clips: QuerySet[Clip]) -> Page:
    """What the labelling page for `clips` of `collection` has. Two queries."""
    return Page(
        has_turns=clips.filter(seconds__gt=LONG_SECONDS).exists(),
        glossary=glossary_lines(plan_of(collection).glossary),
    )


def surroundings(
    clips: Sequence[Clip], *, model: ModelVersion, lifetime_seconds: float
) -> dict[int, Surroundings]:
    """What is around each of `clips`, by id; their recordings must be loaded. Three queries.

    The neighbours are the current clips that begin last before and first after it. Of one its reference is shown, else
    what `model` heard in it. The audio's address lives for `lifetime_seconds`.
    """
    beside = _neighbours([clip.pk for clip in clips])
    texts = _texts({pk for pair in beside.values() for pk in pair if pk}, model)
    found = {}
    for clip in clips:
        before, after = beside.get(clip.pk, (None, None))
        begins, ends = place_in_wide(clip, MARGIN_SECONDS)
        found[clip.pk] = Surroundings(
            before=texts.get(before, ""),
            after=texts.get(after, ""),
            audio=clip_url(clip.pk, lifetime_seconds=lifetime_seconds, margin=MARGIN_SECONDS),
            begins=round(begins, 3),
            ends=round(ends, 3),
        )
    return found


def _neighbours(clips: Iterable[int]) -> dict[int, tuple[int | None, int | None]]:
    same = Clip.objects.filter(recording=OuterRef("recording"), is_current=True)
    before = same.filter(start__lt=OuterRef("start")).order_by("-start", "-pk")
    after = same.filter(start__gt=OuterRef("start")).order_by("start", "pk")
    rows: Any = (
        Clip.objects.filter(pk__in=list(clips))
        .annotate(before=Subquery(before.values("pk")[:1]), after=Subquery(after.values("pk")[:1]))
        .values_list("pk", "before", "after")
    )
    return {pk: (first, last) for pk, first, last in rows}


def _texts(clips: set[int], model: ModelVersion) -> dict[int | None, str]:
    """The text of each clip: its reference, else what `model` heard."""
    heard = Hypothesis.objects.filter(clip__in=clips, model=model).values_list("clip_id", "text")
    known = Reference.objects.filter(clip__in=clips, is_current=True).values_list("clip_id", "text")
    return {**dict(heard), **dict(known)}
