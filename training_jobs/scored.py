"""The clips of a frozen set beside what a model heard in them: what evaluations and comparisons count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from earmark.corpus.models import Clip, Split
from earmark.datasets.models import Snapshot, SnapshotItem
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.speech.errors import EarmarkError
from earmark.speech.scoring import ErrorCounts, count_errors, error_rate, total
from earmark.speech.slices import Traits, members
from earmark.speech.text import PLAIN, Normalisation


@dataclass(frozen=True)
class Examined:
    """A clip of the set with the text it is held to."""

    clip: int
    text: str
    traits: Traits


@dataclass(frozen=True)
class Scored:
    """The errors in one clip, and what is known of the clip."""

    counts: ErrorCounts
    traits: Traits


def items_of(snapshot: Snapshot) -> QuerySet[SnapshotItem]:
    """What of `snapshot` a model is judged by: a test set's references, those of the dev side of a training's."""
    items = snapshot.items.exclude(text=None)
    return items if snapshot.purpose == Snapshot.Purpose.TEST else items.filter(split=Split.DEV)


def clips_of(snapshot: Snapshot) -> QuerySet[Clip]:
    """The clips of `items_of`."""
    return Clip.objects.filter(pk__in=items_of(snapshot).values("clip"))


def examined(snapshot: Snapshot) -> list[Examined]:
    """Every clip of `items_of` by its id. Raises EarmarkError `evaluation:test-set:empty` when there is none."""
    rows = items_of(snapshot).order_by("clip_id")
    found = [
        Examined(clip, text or "", Traits(language, dialect, speaker or "", snr_db, seconds))
        for clip, text, language, dialect, speaker, snr_db, seconds in rows.values_list(
            "clip_id",
            "text",
            "clip__language",
            "clip__dialect",
            "clip__speaker__name",
            "clip__snr_db",
            "clip__seconds",
        )
    ]
    if not found:
        raise EarmarkError(
            "evaluation:test-set:empty",
            f"The test set {snapshot.digest[:12]} holds no reference.",
            "A manager imports transcripts for speakers on the test side, then freezes the test set.",
        )
    return found


def heard_texts(model: ModelVersion, snapshot: Snapshot, clips: Sequence[Examined]) -> dict[int, str]:
    """What `model` heard in each of `clips`, by clip. Raises EarmarkError `evaluation:test-set:unheard`."""
    heard = dict(
        Hypothesis.objects.filter(model=model, clip__in=items_of(snapshot).values("clip")).values_list(
            "clip_id", "text"
        )
    )
    unheard = [one.clip for one in clips if one.clip not in heard]
    if unheard:
        raise EarmarkError(
            "evaluation:test-set:unheard",
            f"{model} could not hear {len(unheard)} clips of the test set, among them clip {unheard[0]}.",
            "See the transcription's errors for these clips; an evaluation leaves no clip out.",
        )
    return heard


def scored(
    clips: Sequence[Examined], heard: Mapping[int, str], options: Normalisation = PLAIN
) -> list[Scored]:
    """The errors in each of `clips`."""
    return [
        Scored(count_errors(one.text, heard[one.clip], one.traits.language, options), one.traits)
        for one in clips
    ]


def figures(counts: Sequence[ErrorCounts]) -> dict[str, Any]:
    """Error rate, edits by kind, reference units and clips."""
    whole = total(counts)
    return {
        "error_rate": error_rate(counts),
        "substitutions": whole.substitutions,
        "insertions": whole.insertions,
        "deletions": whole.deletions,
        "units": whole.reference_units,
        "clips": len(counts),
    }


def slices(scored: Sequence[Scored]) -> dict[str, dict[str, dict[str, Any]]]:
    """`figures` by kind of slice and name."""
    return {
        kind: {name: figures([scored[index].counts for index in indices]) for name, indices in named.items()}
        for kind, named in members([one.traits for one in scored]).items()
    }
