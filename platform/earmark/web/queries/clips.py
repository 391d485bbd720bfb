"""The clips table: filters, keyset pages as quick at a million rows as at ten, counts that say when they estimate."""

import base64
import binascii
import json
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import F, Model, Prefetch, Q, QuerySet

from earmark.corpus.models import Clip, Collection, Recording, Reference, Speaker
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.web.queries.counting import Count, count_of

PAGE = 40
GATHERED = 100_000
"""Up to so many clips are gathered and then sorted by confidence. Larger sets are read off the index by confidence,
which ends after a page; a small set may lie at the far end of that index, behind everything else."""

NEWEST, LEAST_SURE, MOST_SURE = "newest", "least-sure", "most-sure"
SORTS = (NEWEST, LEAST_SURE, MOST_SURE)


@dataclass(frozen=True, kw_only=True)
class ClipFilter:
    """What the table is narrowed to; empty strings and None narrow nothing. Confidences are in [0, 1]."""

    state: str = ""
    split: str = ""
    language: str = ""
    dialect: str = ""
    speaker: str = ""
    flag: str = ""
    low: float | None = None
    high: float | None = None
    sort: str = NEWEST

    @property
    def asks_the_hypothesis(self) -> bool:
        """Whether the model's own words decide which clips are shown, or in which order."""
        return bool(self.flag) or self.low is not None or self.high is not None or self.sort != NEWEST

    @property
    def is_narrowing(self) -> bool:
        return replace(self, sort=NEWEST) != ClipFilter()

    def on_clips(self, prefix: str = "") -> Q:
        named = {
            "state": self.state,
            "split": self.split,
            "language": self.language,
            "dialect": self.dialect,
            "speaker__name": self.speaker,
        }
        return Q(**{f"{prefix}{name}": value for name, value in named.items() if value})

    def on_hypotheses(self) -> Q:
        narrowed = Q(flags__contains=[self.flag]) if self.flag else Q()
        if self.low is not None:
            narrowed &= Q(confidence__gte=self.low)
        if self.high is not None:
            narrowed &= Q(confidence__lte=self.high)
        return narrowed


@dataclass(frozen=True)
class Row:
    """A clip as the table shows it: with what the champion heard and the text held to be true."""

    clip: Clip
    hypothesis: Hypothesis | None
    reference: Reference | None


@dataclass(frozen=True)
class Page:
    rows: list[Row]
    next: str | None
    previous: str | None
    count: Count


@dataclass(frozen=True)
class Cursor:
    """The row a page begins after: its sort key (None where the order is by id alone) and id; `back` reads upwards."""

    key: float | None
    pk: int
    back: bool = False

    def encode(self) -> str:
        return (
            base64.urlsafe_b64encode(json.dumps([self.key, self.pk, self.back]).encode()).decode().rstrip("=")
        )

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises ValueError for anything `encode` did not write."""
        try:
            key, pk, back = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, UnicodeDecodeError, TypeError) as error:
            raise ValueError(text) from error
        if not (type(pk) is int and type(back) is bool and (key is None or type(key) in (int, float))):
            raise ValueError(text)
        return cls(key, pk, back)


def clips_page(
    *, collection: Collection, model: ModelVersion | None, narrowed: ClipFilter, cursor: Cursor | None
) -> Page:
    """One page of the clips of `collection` with what `model` heard in them; five queries at most."""
    rows: QuerySet[Any]
    if narrowed.asks_the_hypothesis:
        rows = _by_hypothesis(collection, model, narrowed)
        ordered, keyed = narrowed.sort != NEWEST, "clip_id"
    else:
        rows = Clip.objects.filter(narrowed.on_clips(), collection=collection)
        ordered, keyed = False, "pk"
    descending = narrowed.sort != LEAST_SURE
    back = cursor.back if cursor else False
    count = count_of(rows)
    window = _window(
        rows,
        keyed=keyed,
        ordered=ordered,
        gathered=count.number <= GATHERED,
        descending=descending != back,
        cursor=cursor,
    )
    fetched = list(_with_rest(window, model)[: PAGE + 1])
    more = len(fetched) > PAGE
    found = [_row(one) for one in fetched[:PAGE]]
    if back:
        found.reverse()
    has_next, has_previous = (cursor is not None, more) if back else (more, cursor is not None)
    return Page(
        rows=found,
        next=_cursor(found[-1], ordered, back=False) if has_next and found else None,
        previous=_cursor(found[0], ordered, back=True) if has_previous and found else None,
        count=count,
    )


def _by_hypothesis(
    collection: Collection, model: ModelVersion | None, narrowed: ClipFilter
) -> QuerySet[Hypothesis]:
    return Hypothesis.objects.filter(
        narrowed.on_hypotheses(), narrowed.on_clips("clip__"), model=model, clip__collection=collection
    )


def _window(
    rows: QuerySet[Any], *, keyed: str, ordered: bool, gathered: bool, descending: bool, cursor: Cursor | None
) -> QuerySet[Any]:
    """`rows` after the cursor, in order, by confidence where they are `ordered`, then by id.

    Adding nothing to the confidence keeps the planner off the index by confidence: see GATHERED.
    """
    confidence = F("confidence") + 0.0 if gathered else F("confidence")
    order = [confidence, F(keyed)] if ordered else [F(keyed)]
    rows = rows.order_by(*(one.desc() if descending else one.asc() for one in order))
    if cursor is None:
        return rows
    side = "lt" if descending else "gt"
    if not ordered or cursor.key is None:
        return rows.filter(**{f"{keyed}__{side}": cursor.pk})
    return rows.filter(
        Q(**{f"confidence__{side}": cursor.key})
        | Q(**{"confidence": cursor.key, f"{keyed}__{side}": cursor.pk}),
        **{f"confidence__{side}e": cursor.key},
    )


def _with_rest(window: QuerySet[Any], model: ModelVersion | None) -> QuerySet[Any]:
    current = Reference.objects.filter(is_current=True)
    if window.model is Hypothesis:
        return window.select_related("clip__speaker").prefetch_related(
            Prefetch("clip__references", queryset=current, to_attr="held")
        )
    return window.select_related("speaker").prefetch_related(
        Prefetch("hypotheses", queryset=Hypothesis.objects.filter(model=model), to_attr="heard"),
        Prefetch("references", queryset=current, to_attr="held"),
    )


def _row(found: Model) -> Row:
    if isinstance(found, Hypothesis):
        return Row(found.clip, found, _first(found.clip, "held"))
    assert isinstance(found, Clip)
    return Row(found, _first(found, "heard"), _first(found, "held"))


def _first(clip: Clip, prefetched: str) -> Any:
    return next(iter(getattr(clip, prefetched)), None)


def _cursor(row: Row, ordered: bool, *, back: bool) -> str:
    key = row.hypothesis.confidence if ordered and row.hypothesis else None
    return Cursor(key, row.clip.pk, back).encode()


def languages_and_dialects(collection: Collection) -> tuple[list[str], list[str]]:
    """What the filters offer, read from the speakers (few) and from recordings without one; two queries."""
    spoken = set(Speaker.objects.filter(collection=collection).values_list("language", "dialect").distinct())
    spoken |= set(
        Recording.objects.filter(collection=collection, speaker=None)
        .values_list("language", "dialect")
        .distinct()
    )
    return sorted({one for one, _ in spoken if one}), sorted({one for _, one in spoken if one})
