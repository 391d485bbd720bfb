"""What may be asked of a collection's clips: narrowings, orders, and the facets that settle most of them.

Clips alike in everything that counts (`models.FACET`) are one facet; a collection has hundreds of them, and tallies
say how many clips each holds. `paging` finds the pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, Sum

from earmark.corpus.models import Clip, Collection
from earmark.corpus.tally_models import ClipTally

CURRENT, RETIRED, EVERY = "current", "retired", "every"
FIT, UNFIT, OVERRULED = "fit", "unfit", "overruled"
Sql = tuple[str, list[Any]]
"""A statement and its values."""
MEASURES = ("confidence", "seconds", "snr_db", "loudness_lufs", "bandwidth_hz")


@dataclass(frozen=True)
class Order:
    """An order of clips: by `group` (a column of the facets) or by `column`, then by id; clips without come last."""

    column: str = ""
    group: str = ""
    is_descending: bool = True


NEWEST = "newest"
ORDERS: dict[str, Order] = {
    NEWEST: Order(),
    "oldest": Order(is_descending=False),
    "least-sure": Order("confidence", is_descending=False),
    "most-sure": Order("confidence"),
    "longest": Order("seconds"),
    "shortest": Order("seconds", is_descending=False),
    "cleanest": Order("snr_db"),
    "noisiest": Order("snr_db", is_descending=False),
    "loudest": Order("loudness_lufs"),
    "quietest": Order("loudness_lufs", is_descending=False),
    "widest": Order("bandwidth_hz"),
    "narrowest": Order("bandwidth_hz", is_descending=False),
    "speaker": Order("speaker_id", is_descending=False),
    "language": Order(group="language"),
    "dialect": Order(group="dialect"),
    "state": Order(group="state"),
}


@dataclass(frozen=True)
class Range:
    """Clips whose `measure` lies in [low, high]; None leaves an end open."""

    measure: str
    low: float | None = None
    high: float | None = None

    def begins_after(self, key: float, *, is_descending: bool) -> bool:
        """Whether, read in order, the range begins later than `key`."""
        if is_descending:
            return self.high is not None and key > self.high
        return self.low is not None and key < self.low

    def sql(self, column: str = "") -> tuple[str, list[Any]]:
        """The condition on `column`, and its values."""
        name = column or self.measure
        ends = [(">=", self.low), ("<=", self.high)]
        given = [(sign, value) for sign, value in ends if value is not None]
        return " AND ".join(f"{name} {sign} %s" for sign, _value in given), [value for _sign, value in given]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which clips, in which order; empty strings and None narrow nothing.

    `fit` is FIT, UNFIT, OVERRULED or a reason the gate gave.
    """

    language: str = ""
    dialect: str = ""
    split: str = ""
    state: str = ""
    flag: str = ""
    fit: str = ""
    generation: str = CURRENT
    speaker: int | None = None
    recording: int | None = None
    brought_by: int | None = None
    ranges: tuple[Range, ...] = ()
    sort: str = NEWEST

    @property
    def order(self) -> Order:
        return ORDERS[self.sort]

    def on_facets(self) -> Q:
        """The part that tallies know; the same names as a clip's."""
        plain = {name: getattr(self, name) for name in ("language", "dialect", "split", "state")}
        narrowed = Q(**{name: value for name, value in plain.items() if value})
        if self.generation != EVERY:
            narrowed &= Q(is_current=self.generation == CURRENT)
        if self.flag:
            narrowed &= Q(flags__regex=rf"(^|,){self.flag}(,|$)")
        match self.fit:
            case "":
                return narrowed
            case "fit" | "unfit":
                return narrowed & Q(is_fit=self.fit == FIT)
            case "overruled":
                return narrowed & Q(is_fit=True) & ~Q(unfit="")
        return narrowed & Q(is_fit=False, unfit=self.fit)

    def on_clips(self) -> Q:
        """All of it, as a condition on clips. For counts and tests: pages are found another way."""
        narrowed = self.on_facets()
        for name in ("speaker", "recording"):
            if (value := getattr(self, name)) is not None:
                narrowed &= Q(**{f"{name}_id": value})
        if self.brought_by is not None:
            narrowed &= Q(
                recording__importfile__of=self.brought_by, recording__importfile__outcome="ingested"
            )
        for one in self.ranges:
            ends = {"gte": one.low, "lte": one.high}
            narrowed &= Q(**{f"{one.measure}__{end}": at for end, at in ends.items() if at is not None})
        return narrowed


@dataclass(frozen=True)
class Place:
    """Where in the order a page begins: after clip `pk` with sort key `key` in the section `section`."""

    section: str
    key: float
    pk: int


@dataclass(frozen=True)
class Found:
    """Places of a page's clips in order, and whether more may follow.

    `beyond` is where the next page begins. `is_whole` says that the page holds all it could; otherwise the search
    stopped after looking at WALKED clips.
    """

    places: list[Place]
    beyond: Place | None
    is_whole: bool = True
    matching: int | None = None
    """How many clips there are in all, where finding the page has counted them."""


@dataclass(frozen=True)
class Facet:
    """One facet: its hash, how many clips it holds, the section of the order it belongs to."""

    hash: int
    number: int
    section: str


@dataclass(frozen=True)
class Section:
    """A part of an order with one meaning: the facets in it, and whether its clips have the sort key."""

    name: str
    facets: tuple[Facet, ...]
    is_keyed: bool


def facets_of(collection: Collection, wanted: Wanted) -> list[Facet]:
    """The facets `wanted` asks for, with how many clips each holds."""
    group = wanted.order.group
    rows = (
        ClipTally.objects.filter(wanted.on_facets(), collection=collection)
        .values_list("facet", *([group] if group else []))
        .annotate(clips=Sum("number"))
        .filter(clips__gt=0)
    )
    ranks = {state: f"{rank:02d}" for rank, state in enumerate(Clip.State.values)} if group == "state" else {}
    return [Facet(row[0], row[-1], ranks.get(row[1], row[1]) if group else "") for row in rows]


def sections_of(facets: Sequence[Facet], order: Order) -> list[Section]:
    """The sections of an order, first to last."""
    if order.group:
        names = sorted({one.section for one in facets})
        return [Section(name, tuple(one for one in facets if one.section == name), False) for name in names]
    if not order.column:
        return [Section("", tuple(facets), False)]
    return [Section("0", tuple(facets), True), Section("1", tuple(facets), False)]
