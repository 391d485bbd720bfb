"""Where a collection's loop stands, for the home page, the command line and REST."""

from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Q, Sum

from annotation.models import Round, RoundClip
from earmark.corpus.models import Clip, Collection, Split
from earmark.datasets.models import Snapshot
from earmark.jobs.models import Job
from earmark.recognition.models import Alias, ModelVersion
from training_jobs.models import Evaluation, TrainingJob


@dataclass(frozen=True)
class TurnState:
    """One collection's loop in numbers; times are seconds of audio, error rates in [0, ...)."""

    collection: str
    recordings: int
    clips: dict[str, int]
    pool_seconds: float
    labelled_seconds: float
    rounds: int
    open_round: int | None
    round_clips: int
    round_submitted: int
    snapshots: int
    trainings: int
    running_jobs: int
    champion: str | None
    error_rate: float | None
    interval: tuple[float, float] | None
    test_clips: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def turn_state(collection: Collection) -> TurnState:
    """Count every station of the loop in a fixed number of queries."""
    states = dict(
        Clip.objects.filter(collection=collection)
        .values_list("state")
        .annotate(count=Count("id"))
        .order_by("state")
    )
    train = Clip.objects.filter(collection=collection, split=Split.TRAIN)
    seconds = train.aggregate(
        pool=Sum("seconds", default=0.0),
        labelled=Sum("seconds", default=0.0, filter=Q(state=Clip.State.LABELLED)),
    )
    newest = Round.objects.filter(collection=collection).first()
    progress = RoundClip.objects.filter(round=newest).aggregate(
        all=Count("id", distinct=True), done=Count("id", distinct=True, filter=Q(annotations__isnull=False))
    )
    best = ModelVersion.objects.filter(
        aliases__collection=collection, aliases__name=Alias.Name.CHAMPION
    ).first()
    score = Evaluation.objects.filter(model=best, snapshot__collection=collection).first() if best else None
    return TurnState(
        collection=collection.slug,
        recordings=collection.recordings.count(),
        clips={state: states.get(state, 0) for state in Clip.State.values},
        pool_seconds=seconds["pool"],
        labelled_seconds=seconds["labelled"],
        rounds=newest.number if newest else 0,
        open_round=newest.number if newest and newest.status != Round.Status.CLOSED else None,
        round_clips=progress["all"],
        round_submitted=progress["done"],
        snapshots=Snapshot.objects.filter(collection=collection).count(),
        trainings=TrainingJob.objects.filter(collection=collection).count(),
        running_jobs=Job.objects.unfinished().filter(scope=collection.scope).count(),
        champion=best.name if best else None,
        error_rate=score.error_rate if score else None,
        interval=(score.low, score.high) if score else None,
        test_clips=score.clips if score else None,
    )
