"""The progress dashboard: what is labelled, by whom, how sure the champion is, and how the error falls."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Count, F, Func, Sum, Value
from django.db.models.functions import Least

from annotation.models import Round
from earmark.corpus.models import Clip, Collection, Split
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.web.queries.rounds import Part
from training_jobs.models import Evaluation

BINS = 20
SHOWN_DIALECTS = 24


@dataclass(frozen=True)
class Cell:
    """Clips of one state, split and dialect, and how long they last."""

    state: str
    split: str
    language: str
    dialect: str
    clips: int
    seconds: float


def cells(collection: Collection) -> list[Cell]:
    """All clips of the collection in one pass over them."""
    rows = (
        Clip.objects.filter(collection=collection)
        .values_list("state", "split", "language", "dialect")
        .annotate(clips=Count("id"), seconds=Sum("seconds"))
        .order_by("state", "split", "language", "dialect")
    )
    return [Cell(*row) for row in rows]


def by_state(all_cells: list[Cell]) -> list[Part]:
    """Every state with its clips, in a clip's own order."""
    amounts: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
    for cell in all_cells:
        amounts[cell.state][0] += cell.clips
        amounts[cell.state][1] += cell.seconds
    return [Part(key, str(label), int(amounts[key][0]), amounts[key][1]) for key, label in Clip.State.choices]


def labelled_by_dialect(all_cells: list[Cell]) -> list[dict[str, Any]]:
    """Seconds labelled against the pool (the train side) for each dialect, the largest pool first."""
    pool: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for cell in all_cells:
        if cell.split == Split.TRAIN:
            pool[cell.language, cell.dialect][0] += cell.seconds
            pool[cell.language, cell.dialect][1] += cell.seconds if cell.state == Clip.State.LABELLED else 0.0
    rows: list[dict[str, Any]] = [
        {
            "language": language,
            "dialect": dialect,
            "pool": seconds,
            "labelled": labelled,
            "share": labelled / seconds,
        }
        for (language, dialect), (seconds, labelled) in pool.items()
    ]
    return sorted(rows, key=lambda row: -row["pool"])[:SHOWN_DIALECTS]


def confidence_histogram(collection: Collection, model: ModelVersion | None) -> list[int]:
    """Clips of the collection by the confidence of what `model` heard, in BINS equal bins from 0 to 1."""
    counts = [0] * BINS
    if model is None:
        return counts
    binned = Func(
        F("confidence"), Value(0.0), Value(1.0), Value(BINS),
        function="width_bucket", output_field=models.IntegerField(),
    )  # fmt: skip
    rows = (
        Hypothesis.objects.filter(model=model, clip__collection=collection)
        .annotate(bin=Least(binned, BINS))
        .values_list("bin")
        .annotate(n=Count("id"))
        .order_by("bin")
    )
    for number, n in rows:
        counts[number - 1] = n
    return counts


def rounds_before(collection: Collection, evaluations: list[Evaluation]) -> dict[int, int]:
    """How many rounds had been closed when each evaluated model was made, by the model's id."""
    closed = [
        when
        for when in Round.objects.filter(collection=collection).values_list("closed_at", flat=True)
        if when
    ]
    return {one.model_id: sum(when <= one.model.created_at for when in closed) for one in evaluations}
