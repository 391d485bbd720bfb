"""How good a model is on a frozen test set: error rate with its interval, overall, by language and by dialect."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from earmark.corpus.models import Clip
from earmark.datasets.models import Snapshot
from earmark.jobs.registry import Context
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.recognition.transcription import transcribe
from earmark.speech.errors import EarmarkError
from earmark.speech.scoring import ErrorCounts, bootstrap_interval, count_errors, error_rate
from training_jobs.models import Evaluation

BOOTSTRAP_SEED = 20


@dataclass(frozen=True)
class Scored:
    """The errors in one test clip, and the slices it belongs to."""

    counts: ErrorCounts
    language: str
    dialect: str


def evaluate(*, model: ModelVersion, snapshot: Snapshot, context: Context) -> Evaluation:
    """Let `model` hear the clips of the test set `snapshot` it has not heard, then score them all.

    Raises EarmarkError `evaluation:test-set:empty` or `evaluation:test-set:unheard`.
    """
    transcribe(context, clips=Clip.objects.filter(snapshot_items__snapshot=snapshot), model=model)
    scored = score(model, snapshot)
    low, high = bootstrap_interval([one.counts for one in scored], seed=BOOTSTRAP_SEED)
    evaluation, _ = Evaluation.objects.update_or_create(
        model=model,
        snapshot=snapshot,
        defaults={
            "error_rate": error_rate(one.counts for one in scored),
            "low": low,
            "high": high,
            "slices": slices(scored),
            "clips": len(scored),
            "seed": BOOTSTRAP_SEED,
        },
    )
    return evaluation


def score(model: ModelVersion, snapshot: Snapshot) -> list[Scored]:
    """The errors of `model` in each clip of `snapshot`; every clip must have been heard."""
    heard = dict(
        Hypothesis.objects.filter(model=model, clip__snapshot_items__snapshot=snapshot).values_list(
            "clip_id", "text"
        )
    )
    rows = list(
        snapshot.items.exclude(text=None)
        .values_list("clip_id", "text", "clip__language", "clip__dialect")
        .order_by("clip_id")
    )
    if not rows:
        raise EarmarkError(
            "evaluation:test-set:empty",
            f"The test set {snapshot.digest[:12]} holds no reference.",
            "A manager imports transcripts for speakers on the test side, then freezes the test set.",
        )
    unheard = [clip for clip, *_ in rows if clip not in heard]
    if unheard:
        raise EarmarkError(
            "evaluation:test-set:unheard",
            f"{model} could not hear {len(unheard)} clips of the test set, among them clip {unheard[0]}.",
            "See the transcription's errors for these clips; an evaluation leaves no clip out.",
        )
    return [
        Scored(count_errors(text, heard[clip], language), language, dialect)
        for clip, text, language, dialect in rows
        if text is not None
    ]


def slices(scored: Sequence[Scored]) -> dict[str, dict[str, Any]]:
    """Error rate, reference units and clips by language and by dialect."""
    groups: dict[str, dict[str, list[ErrorCounts]]] = {
        "language": defaultdict(list),
        "dialect": defaultdict(list),
    }
    for one in scored:
        groups["language"][one.language].append(one.counts)
        groups["dialect"][one.dialect].append(one.counts)
    return {
        by: {
            name: {
                "error_rate": error_rate(counts),
                "units": sum(count.reference_units for count in counts),
                "clips": len(counts),
            }
            for name, counts in sorted(named.items())
        }
        for by, named in groups.items()
    }
