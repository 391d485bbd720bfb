"""The clips table: pages of `corpus.paging` with what the champion heard and the text held to be true."""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Prefetch, Sum

from earmark.corpus.browsing import Place, Wanted, facets_of
from earmark.corpus.models import Clip, Collection, Reference, Speaker
from earmark.corpus.paging import page_of
from earmark.corpus.tallies import seconds_of
from earmark.corpus.tally_models import ClipTally, SpeakerTally
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.web.queries.counting import Count, estimate_of

PAGE = 40
SUGGESTED = 12


@dataclass(frozen=True)
class Row:
    """A clip as the table shows it: with what the champion heard and the text held to be true."""

    clip: Clip
    hypothesis: Hypothesis | None
    reference: Reference | None


@dataclass(frozen=True)
class Page:
    """A page of the table; `is_whole` is False where the search stopped before the page was full."""

    rows: list[Row]
    next: str | None
    previous: str | None
    count: Count
    is_whole: bool = True


@dataclass(frozen=True)
class Cursor:
    """The place a page begins after; `back` reads upwards."""

    place: Place
    back: bool = False

    def encode(self) -> str:
        parts = [self.place.section, self.place.key, self.place.pk, self.back]
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises ValueError for anything `encode` did not write."""
        try:
            section, key, pk, back = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, UnicodeDecodeError, TypeError) as error:
            raise ValueError(text) from error
        types = (type(section) is str, type(key) in (int, float), type(pk) is int, type(back) is bool)
        if not all(types) or not abs(pk) < 2**63 or not abs(key) < 2**63:
            raise ValueError(text)
        return cls(Place(section, float(key), pk), back)


def clips_page(
    *, collection: Collection, model: ModelVersion | None, wanted: Wanted, cursor: Cursor | None
) -> Page:
    """One page of the clips of `collection` with what `model` heard in them; a fixed number of queries."""
    after, back = (cursor.place, cursor.back) if cursor else (None, False)
    found = page_of(facets_of(collection, wanted), wanted, size=PAGE, after=after, back=back)
    places = found.places[::-1] if back else found.places
    beyond = Cursor(found.beyond, back).encode() if found.beyond else None
    before = _turned(places, cursor, wanted) if cursor else None
    return Page(
        rows=_rows([place.pk for place in places], model),
        next=before if back else beyond,
        previous=beyond if back else before,
        count=_count(collection, wanted, found.matching, len(places)),
        is_whole=found.is_whole,
    )


def _turned(places: list[Place], cursor: Cursor, wanted: Wanted) -> str:
    """The cursor that leads back where one came from: past this page's nearest clip, or from where it began.

    A page begins after its place: the place is moved by one id so that an empty page's own is on the page before.
    """
    if places:
        return Cursor(places[-1] if cursor.back else places[0], not cursor.back).encode()
    step = -1 if wanted.order.is_descending != cursor.back else 1
    return Cursor(replace(cursor.place, pk=cursor.place.pk + step), not cursor.back).encode()


def _count(collection: Collection, wanted: Wanted, matching: int | None, shown: int) -> Count:
    if matching is not None:
        return Count(matching)
    rows = Clip.objects.filter(wanted.on_clips(), collection=collection)
    return Count(max(shown, estimate_of(rows)), is_estimate=True)


def _rows(ids: list[int], model: ModelVersion | None) -> list[Row]:
    clips = (
        Clip.objects.filter(pk__in=ids)
        .select_related("speaker")
        .prefetch_related(
            Prefetch(
                "hypotheses",
                queryset=Hypothesis.objects.filter(model=model).select_related("details").defer("features"),
                to_attr="heard",
            ),
            Prefetch("references", queryset=Reference.objects.filter(is_current=True), to_attr="held"),
        )
    )
    by_id = {clip.pk: clip for clip in clips}
    there = [by_id[pk] for pk in ids if pk in by_id]
    return [Row(clip, _first(clip, "heard"), _first(clip, "held")) for clip in there]


def _first(clip: Clip, prefetched: str) -> Any:
    return next(iter(getattr(clip, prefetched)), None)


def languages_and_dialects(collection: Collection) -> tuple[list[str], list[str]]:
    """What the filters offer, read off the tallies; one query."""
    spoken = list(
        ClipTally.objects.filter(collection=collection).values_list("language", "dialect").distinct()
    )
    return sorted({one for one, _ in spoken if one}), sorted({one for _, one in spoken if one})


@dataclass(frozen=True)
class Suggestion:
    """A speaker whose name begins as somebody typed, with their seconds of current clips."""

    name: str
    seconds: float


def speakers_like(collection: Collection, beginning: str) -> list[Suggestion]:
    """The first speakers by name whose name begins with `beginning`, in capitals or not; two queries."""
    found = Speaker.objects.filter(collection=collection, name__istartswith=beginning)
    names = dict(found.order_by("name").values_list("pk", "name")[:SUGGESTED])
    seconds = seconds_of_speakers(names)
    return [Suggestion(name, seconds.get(pk, 0.0)) for pk, name in names.items()]


def seconds_of_speakers(ids: Iterable[int]) -> dict[int, float]:
    """Seconds of current clips by speaker; one query."""
    rows = (
        SpeakerTally.objects.filter(speaker__in=list(ids), is_current=True)
        .values_list("speaker")
        .annotate(length=Sum("samples"))
    )
    return {pk: seconds_of(length) for pk, length in rows}
