"""Comparisons of a collection, and how a finished one is drawn."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet

from earmark.corpus.models import Collection
from earmark.recognition.models import ModelVersion
from earmark.web.places import Place
from earmark.web.queries.trainings import known_in
from training_jobs.comparison_report import winner
from training_jobs.comparison_table import KINDS, change_of, slice_label
from training_jobs.models import Comparison

TICKS = 4
AXES = (0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8, 1.0)
DRAWN_KINDS = ("language", "dialect", "snr", "duration", "speaker")


@dataclass(frozen=True)
class Sliced:
    """One slice of both models, as it is drawn."""

    label: str
    clips: int
    a: dict[str, Any]
    b: dict[str, Any]
    change: str
    better: str


@dataclass(frozen=True)
class Kind:
    """The slices of one kind."""

    title: str
    slices: list[Sliced]


def comparisons_of(collection: Collection, limit: int = 100) -> list[Comparison]:
    """The newest comparisons on sets of the collection, each with its `overall` figures, without the rest."""
    rows = Comparison.objects.filter(snapshot__collection=collection).annotate(overall=F("report__overall"))
    return list(rows.select_related("a", "b", "snapshot", "job", "created_by").defer("report")[:limit])


def comparable(place: Place) -> QuerySet[ModelVersion]:
    """The models that the person may choose among: every one for who runs the platform, else the collection's."""
    models = ModelVersion.objects.all()
    return models if place.person.is_superuser else models.filter(known_in(place.collection))


def kinds(report: dict[str, Any]) -> list[Kind]:
    """The slices by kind; a kind with one slice alone tells nothing."""
    found = []
    for kind in DRAWN_KINDS:
        rows = [one for one in report["slices"] if one["kind"] == kind]
        if len(rows) > 1:
            found.append(Kind(str(KINDS[kind]), [_sliced(kind, one) for one in rows]))
    return found


def scale(report: dict[str, Any]) -> float:
    """The end of the axis: beyond the highest rate of any slice, with round numbers at its ticks; 1 at most."""
    rates = [one[side]["error_rate"] for one in report["slices"] for side in "ab"]
    return next((end for end in AXES if end > max(rates, default=0.0)), AXES[-1])


def ticks(end: float) -> list[float]:
    """Where the axis is named."""
    return [end * number / TICKS for number in range(TICKS + 1)]


def _sliced(kind: str, one: dict[str, Any]) -> Sliced:
    label = slice_label(kind, one["name"])
    return Sliced(label, one["clips"], one["a"], one["b"], change_of(one["difference"]), winner(one))
