"""What a collection holds, off the tallies: as quick for a million clips as for none."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.db.models import QuerySet, Sum

from earmark.corpus.models import Clip, Collection, Recording, Speaker, Unfit
from earmark.corpus.tallies import BINS, UNMEASURED, seconds_of, total, totals
from earmark.corpus.tally_models import ClipTally, MeasureTally, RecordingTally, SpeakerTally

SHOWN_DIALECTS = 16
SHOWN_SPEAKERS = 12
RECORDINGS_A_PAGE = 50
DRAWN = ("snr_db", "seconds", "loudness_lufs", "bandwidth_hz")


@dataclass(frozen=True)
class Amount:
    """Clips, and how long they last."""

    clips: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.clips + other.clips, self.seconds + other.seconds)


@dataclass(frozen=True)
class Voice:
    """A speaker and their clips."""

    name: str
    amount: Amount


@dataclass(frozen=True)
class Stretch:
    """One bin of a measure: from `low` to `high`, None where it is open or nothing was measured."""

    low: float | None
    high: float | None
    is_measured: bool
    fit: Amount
    unfit: Amount


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """A collection's current clips, by what people ask of them."""

    all: Amount
    usable: Amount
    recordings: Amount
    speakers: int
    languages: dict[str, Amount]
    dialects: dict[tuple[str, str], Amount]
    unfit: dict[str, Amount]
    sides: dict[tuple[str, str], Amount]
    """By split and state."""
    voices: list[Voice]
    other_voices: Amount
    unknown_voices: Amount
    measures: dict[str, list[Stretch]]


def holdings(collection: Collection) -> Holdings:
    """Everything the corpus page draws, in seven queries."""
    languages: dict[str, Amount] = defaultdict(Amount)
    dialects: dict[tuple[str, str], Amount] = defaultdict(Amount)
    unfit: dict[str, Amount] = defaultdict(Amount)
    sides: dict[tuple[str, str], Amount] = defaultdict(Amount)
    every = usable = Amount()
    keys = ("language", "dialect", "split", "state", "is_fit", "unfit")
    for language, dialect, split, state, is_fit, reason, *rest in totals(
        ClipTally, *keys, collection=collection, is_current=True
    ):
        amount = Amount(*rest)
        every += amount
        languages[language] += amount
        dialects[language, dialect] += amount
        sides[split, state] += amount
        if is_fit:
            usable += amount
        else:
            unfit[reason] += amount
    voices, other, unknown = _voices(collection, every)
    return Holdings(
        all=every,
        usable=usable,
        recordings=Amount(*total(RecordingTally, collection=collection)),
        speakers=Speaker.objects.filter(collection=collection).count(),
        languages=_largest_first(languages),
        dialects=_largest_first(dialects),
        unfit=_largest_first(unfit),
        sides=dict(sides),
        voices=voices,
        other_voices=other,
        unknown_voices=unknown,
        measures=_measures(collection),
    )


def _largest_first(amounts: dict[Any, Amount]) -> dict[Any, Amount]:
    return dict(sorted(amounts.items(), key=lambda one: (-one[1].seconds, str(one[0]))))


def _voices(collection: Collection, every: Amount) -> tuple[list[Voice], Amount, Amount]:
    """Who is heard most, all the others together, and what nobody is named in."""
    rows = SpeakerTally.objects.filter(collection=collection, is_current=True).order_by()
    unknown = Amount(*total(SpeakerTally, collection=collection, is_current=True, speaker=None))
    most = (
        rows.exclude(speaker=None)
        .values_list("speaker")
        .annotate(clips=Sum("number"), length=Sum("samples"))
        .filter(clips__gt=0)
        .order_by("-length", "speaker")[:SHOWN_SPEAKERS]
    )
    amounts = {pk: Amount(int(clips), seconds_of(length)) for pk, clips, length in most}
    names = dict(Speaker.objects.filter(pk__in=amounts).values_list("pk", "name"))
    voices = [Voice(names[pk], amount) for pk, amount in amounts.items() if pk in names]
    shown = sum((one.amount for one in voices), unknown)
    other = Amount(max(0, every.clips - shown.clips), max(0.0, every.seconds - shown.seconds))
    return voices, other, unknown


def _measures(collection: Collection) -> dict[str, list[Stretch]]:
    amounts: dict[tuple[str, int, bool], Amount] = defaultdict(Amount)
    keys = ("measure", "bin", "is_fit")
    rows = totals(MeasureTally, *keys, collection=collection, is_current=True, measure__in=DRAWN)
    for measure, bin, is_fit, *rest in rows:
        amounts[measure, bin, is_fit] = Amount(*rest)
    found = {}
    for measure in DRAWN:
        edges = [None, *BINS[measure], None]
        bins: list[tuple[int, float | None, float | None]] = [
            (number, low, high) for number, (low, high) in enumerate(pairwise(edges))
        ]
        found[measure] = [
            Stretch(low, high, True, amounts[measure, bin, True], amounts[measure, bin, False])
            for bin, low, high in bins
        ]
        missing = (amounts[measure, UNMEASURED, True], amounts[measure, UNMEASURED, False])
        if any(one.clips for one in missing):
            found[measure].append(Stretch(None, None, False, *missing))
    return found


def reasons() -> dict[str, str]:
    """What people call the reasons a clip is unfit for; of none, where a person gave none."""
    return {**{value: str(label) for value, label in Unfit.choices}, "": ""}


def states() -> dict[str, str]:
    """What people call a clip's states, in their order."""
    return {value: str(label) for value, label in Clip.State.choices}


def amounts_of(collections: Iterable[Collection]) -> list[tuple[Collection, Amount]]:
    """How many recordings each collection has, and how long they last; one query."""
    there = list(collections)
    rows = {
        pk: Amount(number, seconds)
        for pk, number, seconds in totals(RecordingTally, "collection", collection__in=there)
    }
    return [(one, rows.get(one.pk, Amount())) for one in there]


def recordings_of(collection: Collection, *, before: int | None, limit: int) -> QuerySet[Recording]:
    """The newest recordings, or those that came in before the one with id `before`."""
    rows = Recording.objects.filter(collection=collection).select_related("speaker").order_by("-pk")
    return (rows.filter(pk__lt=before) if before is not None else rows)[:limit]
