"""Where the loop stands, as the home page shows it."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from annotation.models import AnnotationTally, Round
from earmark.corpus.models import Clip, Collection, Split
from earmark.corpus.queries import usable
from earmark.corpus.tallies import total, totals
from earmark.corpus.tally_models import ClipTally, RecordingTally, ReferenceTally
from earmark.datasets.models import Snapshot
from earmark.jobs.models import Job, Status
from earmark.loop.models import Promotion
from earmark.loop.queries import TurnState, labelled_since, turn_state
from earmark.recognition.models import Alias, ModelVersion, TranscriptionFailure
from earmark.web.queries.counting import Count
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
    """How the newest training's model did, while it is not the champion and was not judged."""
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
    judged = Promotion.objects.filter(collection=collection, model=OuterRef("model"))
    training = (
        TrainingJob.objects.filter(collection=collection)
        .select_related("job", "model", "base")
        .annotate(was_judged=Exists(judged))
        .first()
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
    submitted = totals(AnnotationTally, "annotator", collection=collection)
    return Situation(
        turn=turn,
        recorded_seconds=total(RecordingTally, collection=collection)[1],
        references=Count(total(ReferenceTally, collection=collection)[0]),
        annotations=sum(number for _annotator, number, _seconds in submitted),
        annotators=len(submitted),
        test_set=snapshots.get(Snapshot.Purpose.TEST),
        snapshot=snapshots.get(Snapshot.Purpose.TRAINING),
        round=Round.objects.filter(collection=collection).first(),
        training=training,
        champion=champion,
        contender=None if training and training.was_judged else _contender(training, champion, history),
        labelled_since_training=labelled_since(collection, training),
        unheard=_unheard(collection, champion),
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


def _unheard(collection: Collection, champion: ModelVersion | None) -> int:
    """Usable clips of the train side that nothing has heard, without those the champion could not read."""
    new, _seconds = total(ClipTally, usable(), collection=collection, state=Clip.State.NEW, split=Split.TRAIN)
    failed = TranscriptionFailure.objects.filter(
        usable("clip__"),
        model=champion,
        clip__collection=collection,
        clip__state=Clip.State.NEW,
        clip__split=Split.TRAIN,
    )
    return max(0, new - failed.count())
