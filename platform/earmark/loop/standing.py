"""How a collection stands, as far as its policy needs to know."""

from datetime import datetime

from django.db.models import Sum

from annotation.models import Round, RoundClip
from annotation.pool import eligible_hypotheses
from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import test_set
from earmark.jobs.models import UNFINISHED, Job, Status
from earmark.loop.deciding import HOUR, Act, Stage, State
from earmark.loop.models import Policy, Promotion
from earmark.loop.queries import labelled_since
from earmark.recognition.models import Alias, ModelVersion
from earmark.recognition.run_models import TranscriptionRun
from earmark.recognition.transcription import Only
from training_jobs.models import Evaluation, TrainingJob

EVALUATE = "training_jobs.evaluate"
OPEN_ROUND = "annotation.open_round"


def state_of(policy: Policy, *, now: datetime) -> State:
    """Read it all, in a number of queries that does not grow with the collection."""
    collection, rules = policy.collection, policy.rules
    held = (
        Alias.objects.filter(collection=collection, name=Alias.Name.CHAMPION).select_related("model").first()
    )
    champion = held.model if held else None
    newest = TrainingJob.objects.filter(collection=collection).select_related("job").first()
    model, frozen = candidate(collection, champion), test_set(collection)
    missing = _unmeasured(frozen, [one for one in (champion, model) if one])
    opened = Round.objects.filter(collection=collection).first()
    stage = _round_stage(opened)
    gain, hours = _gain(collection, champion, frozen, rules.stop_rounds) if rules.stop else (None, 0.0)
    asks = rules.open_rounds and stage == Stage.NONE and champion is not None
    return State(
        labelled_seconds=labelled_since(collection, newest),
        training=_stage(newest.job if newest else None),
        has_candidate=model is not None,
        has_test_set=frozen is not None,
        is_measured=not missing,
        measuring=_measuring(collection, frozen, missing),
        transcription=_transcription(collection, held),
        round=stage,
        round_waiting=_waiting(opened),
        has_askable=bool(asks and champion and eligible_hypotheses(collection, champion).exists()),
        spent_seconds=spent_seconds(collection, now=now),
        rounds_closed=Round.objects.filter(collection=collection, status=Round.Status.CLOSED).count(),
        gain=gain,
        gain_hours=hours,
        held=_held(policy, now),
    )


def candidate(collection: Collection, champion: ModelVersion | None) -> ModelVersion | None:
    """The model of the newest training that made one, unless it is champion or was judged, promoted or taken back."""
    newest = (
        TrainingJob.objects.filter(collection=collection).exclude(model=None).select_related("model").first()
    )
    if newest is None or newest.model is None or newest.model == champion:
        return None
    decided = Promotion.objects.filter(collection=collection)
    if decided.filter(model=newest.model).exists() or decided.filter(before=newest.model).exists():
        return None
    return newest.model


def spent_seconds(collection: Collection, *, now: datetime) -> float:
    """Seconds of audio that the rounds of this calendar month (UTC) were given, whoever opened them.

    One that was closed without ever having had clips cost nothing.
    """
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    rounds = Round.objects.filter(collection=collection, created_at__gte=month)
    rounds = rounds.exclude(status=Round.Status.CLOSED, clips=None)
    return float(rounds.aggregate(all=Sum("budget_seconds", default=0.0))["all"])


def _stage(job: Job | None) -> Stage:
    if job is None:
        return Stage.NONE
    if job.status in UNFINISHED:
        return Stage.RUNNING
    return Stage.DONE if job.status == Status.SUCCEEDED else Stage.FAILED


def _unmeasured(frozen: Snapshot | None, models: list[ModelVersion]) -> list[ModelVersion]:
    if frozen is None:
        return []
    known = set(
        Evaluation.objects.filter(snapshot=frozen, model__in=models).values_list("model_id", flat=True)
    )
    return [one for one in models if one.pk not in known]


def _measuring(collection: Collection, frozen: Snapshot | None, missing: list[ModelVersion]) -> Stage:
    """How far the measuring of those models is: running while one is, failed when one's last attempt was."""
    found = [
        _stage(
            Job.objects.filter(scope=collection.scope, kind=EVALUATE)
            .filter(arguments__model_id=one.pk, arguments__snapshot_id=frozen.pk if frozen else None)
            .first()
        )
        for one in missing
    ]
    return next((stage for stage in (Stage.RUNNING, Stage.FAILED) if stage in found), Stage.NONE)


def _transcription(collection: Collection, champion: Alias | None) -> Stage:
    """How far the champion has heard the pool since it is champion."""
    if champion is None:
        return Stage.NONE
    run = (
        TranscriptionRun.objects.filter(collection=collection, model=champion.model, narrowed={})
        .filter(only__in=(Only.POOL, Only.ALL), created_at__gte=champion.since)
        .select_related("job")
        .order_by("-pk")
        .first()
    )
    return _stage(run.job if run else None)


def _round_stage(opened: Round | None) -> Stage:
    """Done when it is open; of one being opened its job says whether that goes on."""
    if opened is None or opened.status == Round.Status.CLOSED:
        return Stage.NONE
    if opened.status == Round.Status.OPEN:
        return Stage.DONE
    opening = Job.objects.filter(scope=opened.collection.scope, kind=OPEN_ROUND)
    found = _stage(opening.filter(arguments__round_id=opened.pk).first())
    return found if found == Stage.FAILED else Stage.RUNNING


def _waiting(opened: Round | None) -> int:
    waiting = {"outcome": RoundClip.Outcome.WAITING}
    return opened.clips.filter(**waiting).exclude(reason=RoundClip.Reason.KNOWN).count() if opened else 0


def _gain(
    collection: Collection, champion: ModelVersion | None, frozen: Snapshot | None, rounds: int
) -> tuple[float | None, float]:
    """Error rate won since the first of the last `rounds` closed rounds was chosen, and the hours labelled in them."""
    closed = Round.objects.filter(collection=collection, status=Round.Status.CLOSED)
    last = list(closed.select_related("model")[:rounds])
    if champion is None or frozen is None or len(last) < rounds:
        return None, 0.0
    rates = dict(
        Evaluation.objects.filter(snapshot=frozen, model__in=[champion, last[-1].model]).values_list(
            "model_id", "error_rate"
        )
    )
    labelled = RoundClip.objects.filter(round__in=last, outcome=RoundClip.Outcome.LABELLED).exclude(
        reason=RoundClip.Reason.KNOWN
    )
    hours = labelled.aggregate(all=Sum("clip__seconds", default=0.0))["all"] / HOUR
    before, after = rates.get(last[-1].model_id), rates.get(champion.pk)
    return (None if before is None or after is None else before - after), hours


def _held(policy: Policy, now: datetime) -> dict[Act, str]:
    if policy.held_act and policy.held_until and policy.held_until > now:
        return {Act(policy.held_act): policy.held_error_id}
    return {}
