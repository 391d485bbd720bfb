"""Where a collection's loop stands, for the home page, the command line and REST."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Q, Sum

from annotation.models import Round, RoundClip
from earmark.corpus.models import Clip, Collection, Reference, Split
from earmark.corpus.tallies import total, totals
from earmark.corpus.tally_models import ClipTally, RecordingTally, ReferenceTally
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
    """Every station of the loop in a fixed number of queries, its size from the tallies.

    Clips are those of the newest cutting. The pool is what there is to learn from: the train side without what the
    gate found unfit, unless a person labelled it.
    """
    cells = totals(ClipTally, "state", "split", "is_fit", collection=collection, is_current=True)
    states: Counter[str] = Counter()
    pool_seconds = labelled_seconds = 0.0
    for state, split, is_fit, clips, seconds in cells:
        states[state] += clips
        is_labelled = state == Clip.State.LABELLED
        if split == Split.TRAIN and (is_fit or is_labelled):
            pool_seconds += seconds
            labelled_seconds += seconds if is_labelled else 0.0
    newest = Round.objects.filter(collection=collection).first()
    asked = RoundClip.objects.filter(round=newest).exclude(reason=RoundClip.Reason.KNOWN)
    progress = asked.aggregate(
        all=Count("id", distinct=True), done=Count("id", distinct=True, filter=Q(annotations__isnull=False))
    )
    best = ModelVersion.objects.filter(
        aliases__collection=collection, aliases__name=Alias.Name.CHAMPION
    ).first()
    score = Evaluation.objects.filter(model=best, snapshot__collection=collection).first() if best else None
    return TurnState(
        collection=collection.slug,
        recordings=total(RecordingTally, collection=collection)[0],
        clips={state: states[state] for state in Clip.State.values},
        pool_seconds=pool_seconds,
        labelled_seconds=labelled_seconds,
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


def labelled_since(collection: Collection, training: TrainingJob | None) -> float:
    """Seconds of clips outside the test side whose current text people wrote since the newest training began."""
    sides = (Split.TRAIN, Split.DEV)
    by_people = ~Q(kind=Reference.Kind.IMPORTED)
    tallied = Q(collection=collection, split__in=sides)
    if training is None:
        return total(ReferenceTally, by_people & tallied)[1]
    began = training.created_at.astimezone(UTC)
    midnight = datetime.combine(began.date() + timedelta(days=1), time(), UTC)
    that_day: dict[str, Any] = Reference.objects.filter(
        by_people,
        is_current=True,
        created_at__gt=began,
        created_at__lt=midnight,
        clip__collection=collection,
        clip__split__in=sides,
    ).aggregate(all=Sum("clip__seconds", default=0.0))
    return float(that_day["all"]) + total(ReferenceTally, by_people & tallied, day__gt=began.date())[1]
