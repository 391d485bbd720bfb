"""Where the loop stands, as the home page shows it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q, Sum
from django.utils import timezone

from annotation.models import Annotation, Round
from earmark.corpus.models import Clip, Collection, Recording, Reference, Split
from earmark.datasets.models import Snapshot
from earmark.jobs.models import Job, Status
from earmark.loop.queries import TurnState, turn_state
from earmark.recognition.models import Alias, ModelVersion, TranscriptionFailure
from earmark.web.queries.counting import Count, count_of
from earmark.web.queries.trainings import evaluations_of
from training_jobs.models import Evaluation, TrainingJob

FAILED_WITHIN = timedelta(hours=24)
SHOWN_JOBS = 5
SHOWN_MODELS = 30


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One collection's loop and what is under way in it; seconds are of audio."""

    turn: TurnState
    recorded_seconds: float
    references: Count
    annotations: int
    annotators: int
    test_set: Snapshot | None
    snapshot: Snapshot | None
    round: Round | None
    training: TrainingJob | None
    champion: ModelVersion | None
    contender: Evaluation | None
    """How the newest training's model did, while it is not the champion."""
    labelled_since_training: float
    unheard: int
    """Clips of the pool that no model has heard, without those the champion could not read."""
    history: tuple[Evaluation, ...]
    """How every model did on the test set, the oldest first."""
    running: tuple[Job, ...]
    failed: Job | None

    @property
    def clips(self) -> int:
        return sum(self.turn.clips.values())

    @property
    def waiting_in_round(self) -> int:
        return self.turn.round_clips - self.turn.round_submitted if self.turn.open_round else 0

    @property
    def untested(self) -> bool:
        """Whether nothing can be measured yet."""
        return self.test_set is None

    def is_running(self, kind: str) -> bool:
        """Whether unfinished work of a kind that begins with `kind` is there."""
        return any(job.kind.startswith(kind) for job in self.running)


def situation(collection: Collection) -> Situation:
    """Read it all; a fixed number of queries."""
    turn = turn_state(collection)
    training = (
        TrainingJob.objects.filter(collection=collection).select_related("job", "model", "base").first()
    )
    snapshots = {
        one.purpose: one
        for one in Snapshot.objects.filter(collection=collection).order_by("id").defer("counts")
    }
    champion = ModelVersion.objects.filter(
        aliases__collection=collection, aliases__name=Alias.Name.CHAMPION
    ).first()
    history = tuple(evaluations_of(collection).reverse()[:SHOWN_MODELS])[::-1]
    recent = timezone.now() - FAILED_WITHIN
    jobs = Job.objects.filter(scope=collection.scope)
    submitted = Annotation.objects.filter(
        round_clip__round__collection=collection, deleted_at=None
    ).aggregate(all=models.Count("id"), people=models.Count("annotator", distinct=True))
    return Situation(
        turn=turn,
        recorded_seconds=Recording.objects.filter(collection=collection).aggregate(
            all=Sum("seconds", default=0.0)
        )["all"],
        references=count_of(Reference.objects.filter(is_current=True, clip__collection=collection)),
        annotations=submitted["all"],
        annotators=submitted["people"],
        test_set=snapshots.get(Snapshot.Purpose.TEST),
        snapshot=snapshots.get(Snapshot.Purpose.TRAINING),
        round=Round.objects.filter(collection=collection).first(),
        training=training,
        champion=champion,
        contender=_contender(training, champion, history),
        labelled_since_training=labelled_since(collection, training),
        unheard=Clip.objects.filter(collection=collection, state=Clip.State.NEW, split=Split.TRAIN)
        .exclude(references__is_current=True)
        .exclude(pk__in=TranscriptionFailure.objects.filter(model=champion).values("clip"))
        .count(),
        history=history,
        running=tuple(jobs.unfinished().order_by("id")[:SHOWN_JOBS]),
        failed=jobs.filter(status=Status.FAILED, finished_at__gte=recent).first(),
    )


def _contender(
    training: TrainingJob | None, champion: ModelVersion | None, history: tuple[Evaluation, ...]
) -> Evaluation | None:
    if training is None or training.model is None or training.model == champion:
        return None
    return next((one for one in history if one.model_id == training.model_id), None)


def labelled_since(collection: Collection, training: TrainingJob | None) -> float:
    """Seconds of clips outside the test side that people labelled since the newest training began."""
    labelled = Clip.objects.filter(
        ~Q(references__kind=Reference.Kind.IMPORTED),
        collection=collection,
        split__in=[Split.TRAIN, Split.DEV],
        state=Clip.State.LABELLED,
        references__is_current=True,
    )
    if training is not None:
        labelled = labelled.filter(references__created_at__gt=training.created_at)
    result: dict[str, Any] = labelled.aggregate(all=Sum("seconds", default=0.0))
    return float(result["all"])
