"""The progress dashboard: what is labelled, by whom, how sure the champion is, and how the error falls."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from annotation.models import Round
from earmark.corpus.models import Clip, Collection, Split
from earmark.corpus.tallies import CONFIDENCE_BINS, totals
from earmark.corpus.tally_models import ClipTally, MeasureTally
from earmark.web.queries.rounds import Part
from training_jobs.models import Evaluation

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
    """The current clips of the collection, off the tallies."""
    keys = ("state", "split", "language", "dialect")
    return [Cell(*row) for row in totals(ClipTally, *keys, collection=collection, is_current=True)]


def confidences(collection: Collection) -> list[int]:
    """How many current clips lie in each bin of the champion's confidence, off the tallies."""
    rows = totals(MeasureTally, "bin", collection=collection, is_current=True, measure="confidence")
    counts = {bin: clips for bin, clips, _seconds in rows}
    return [counts.get(bin, 0) for bin in range(CONFIDENCE_BINS)]


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


def rounds_before(collection: Collection, evaluations: list[Evaluation]) -> dict[int, int]:
    """How many rounds had been closed when each evaluated model was made, by the model's id."""
    closed = [
        when
        for when in Round.objects.filter(collection=collection).values_list("closed_at", flat=True)
        if when
    ]
    return {one.model_id: sum(when <= one.model.created_at for when in closed) for one in evaluations}
