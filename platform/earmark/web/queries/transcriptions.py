"""Transcription runs as the pages show them."""

from dataclasses import dataclass, field

from django.db.models import Count

from earmark.corpus.models import Collection
from earmark.jobs.models import UNFINISHED
from earmark.recognition.models import ModelVersion, TranscriptionFailure
from earmark.recognition.run_models import TranscriptionRun
from earmark.recognition.runs import Figures, figures
from earmark.web.queries.trainings import known_in

SHOWN = 50
SHOWN_FAILURES = 200


@dataclass(frozen=True)
class RunRow:
    """A run and how far it is."""

    run: TranscriptionRun
    figures: Figures

    @property
    def is_live(self) -> bool:
        return self.run.job.status in UNFINISHED


@dataclass(frozen=True)
class Failed:
    """The clips that failed for one reason; `shown` are the newest of them."""

    error_id: str
    clips: int
    shown: list[TranscriptionFailure] = field(default_factory=list)


def runs_of(collection: Collection, *, only: int | None = None) -> list[RunRow]:
    """The newest runs of `collection`, or the one with that id; three queries."""
    rows = TranscriptionRun.objects.filter(collection=collection).select_related("model", "job", "created_by")
    found = list(rows.filter(pk=only) if only else rows[:SHOWN])
    known = figures(found)
    return [RunRow(run, known[run.pk]) for run in found]


def failures_of(run: TranscriptionRun) -> list[Failed]:
    """Which clips the run's model could not hear since the run began and has not heard since, by reason."""
    rows = TranscriptionFailure.objects.filter(
        model=run.model_id, clip__collection=run.collection_id, at__gte=run.created_at
    )
    counted = rows.values("error_id").annotate(clips=Count("pk")).order_by("-clips", "error_id")
    found = [Failed(row["error_id"], row["clips"]) for row in counted]
    by_reason = {one.error_id: one for one in found}
    for failure in rows.order_by("-at")[:SHOWN_FAILURES] if found else ():
        by_reason[failure.error_id].shown.append(failure)
    return found


def models_for(collection: Collection) -> list[ModelVersion]:
    """The models that may hear in `collection`, newest first: those it knows."""
    return list(ModelVersion.objects.filter(known_in(collection)).order_by("-pk"))
