"""What the pages of the quality gate and of cutting anew show; as quick for a million clips as for none."""

from dataclasses import dataclass
from typing import Any

from earmark.corpus.gate import Gate
from earmark.corpus.gate_preview import BINS, Measures, Preview, histogram, preview
from earmark.corpus.models import Clip, Collection, Recording, Segmentation, Unfit
from earmark.corpus.segmentations import newest_found
from earmark.corpus.tallies import total
from earmark.corpus.tally_models import ClipTally, RecordingTally, ReferenceTally
from earmark.jobs.models import Job
from earmark.speech.segmentation import SegmentationSettings
from earmark.web.queries.clip import MEASURES

GENERATIONS = 12
BAR = 100 / BINS


@dataclass(frozen=True)
class Threshold:
    """One measure's clips as bars from 0 to 100, where its threshold lies, and how many miss it."""

    name: str
    label: str
    meaning: str
    asked: str
    bars: list[tuple[str, str, str, bool]]
    limit: str
    missing: int


@dataclass(frozen=True)
class Foreseen:
    """What a gate would do, in all and threshold by threshold."""

    preview: Preview
    thresholds: list[Threshold]
    reasons: list[tuple[str, int]]


def foreseen(measures: Measures, gate: Gate) -> Foreseen:
    """What `gate` would do to the clips that were measured."""
    made = preview(measures, gate)
    thresholds = []
    for one in MEASURES:
        value = getattr(gate, one.threshold)
        high = 5.0 if one.name == "speech_seconds" else one.high
        limit = 100 * min(1.0, max(0.0, (value - one.low) / (high - one.low)))
        shares = histogram(measures, one.name, one.low, high)
        bars = []
        for number, share in enumerate(shares):
            middle = (number + 0.5) * BAR
            is_missed = middle > limit if one.is_most else middle < limit
            height = 0.0 if not share else max(1.0, 28 * share)
            bars.append((f"{number * BAR:.2f}", f"{30 - height:.1f}", f"{height:.1f}", is_missed))
        thresholds.append(
            Threshold(
                name=one.threshold,
                label=str(one.label),
                meaning=str(one.meaning),
                asked=("≤ " if one.is_most else "≥ ") + one.text(value),
                bars=bars,
                limit=f"{limit:.2f}",
                missing=made.missing[one.threshold],
            )
        )
    names = dict(Unfit.choices)
    return Foreseen(made, thresholds, [(str(names[key]), count) for key, count in made.reasons.items()])


def newest_job(collection: Collection, kind: str) -> Job | None:
    """The last job of that kind that was asked for in the collection."""
    return Job.objects.filter(scope=collection.scope, kind=kind).first()


@dataclass(frozen=True)
class Recut:
    """What cutting anew would be about.

    `clips` are current, of which those with a text (`labelled`) and with annotators (`in_round`) stay as they are;
    recordings whose clips were `given` stay, too.
    """

    recordings: int
    seconds: float
    given: int
    clips: int
    labelled: int
    in_round: int
    settings: SegmentationSettings
    newest: Segmentation | None
    generations: list[Segmentation]


def recut_of(collection: Collection) -> Recut:
    """What cutting the collection anew would be about."""
    recordings, seconds = total(RecordingTally, collection=collection)
    newest = newest_found(collection)
    given = Recording.objects.filter(collection=collection, segmentation__method=Segmentation.Method.GIVEN)
    return Recut(
        recordings=recordings,
        seconds=seconds,
        given=given.count(),
        clips=total(ClipTally, collection=collection, is_current=True)[0],
        labelled=total(ReferenceTally, collection=collection)[0],
        in_round=total(ClipTally, collection=collection, is_current=True, state=Clip.State.IN_ROUND)[0],
        settings=_settings(newest),
        newest=newest,
        generations=list(
            Segmentation.objects.filter(collection=collection).order_by("-generation")[:GENERATIONS]
        ),
    )


def _settings(newest: Segmentation | None) -> SegmentationSettings:
    known: dict[str, Any] = SegmentationSettings().to_json()
    told = newest.parameters if newest else {}
    return SegmentationSettings.from_json({name: told[name] for name in known if name in told})
