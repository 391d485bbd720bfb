"""Turn the wheel by one step: what the policy says is next, done and written down in one transaction.

Killed anywhere, either all of a step is there or nothing: its jobs are rows that the sweeper sends. Two workers never
do the same step: whoever holds the collection's row looks again before it does anything.
"""

import zlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from annotation.models import Round
from annotation.rounds import close_round, request_round
from earmark.accounts.services import audit
from earmark.corpus.models import Collection
from earmark.datasets.snapshots import test_set
from earmark.jobs.models import Job, Status
from earmark.jobs.services import submit
from earmark.loop.deciding import Act, Reason, next_act
from earmark.loop.models import Policy, PolicyAct
from earmark.loop.promotion import promote_if_better
from earmark.loop.standing import candidate, state_of
from earmark.recognition.registry import champion
from earmark.recognition.runs import submit_transcription
from earmark.speech.errors import EarmarkError
from training_jobs.models import Evaluation, TrainingJob
from training_jobs.services import launch, request_evaluation

KIND = "loop.turn"
HOLD = timedelta(minutes=15)
"""How long an act that failed is left alone, unless somebody changes the policy."""
ON = Q(train=True) | Q(promote=True) | Q(transcribe=True) | Q(open_rounds=True)


def submit_turns(*, now: datetime | None = None) -> list[Job]:
    """Queue a step for every collection whose policy has something to do; nothing is written for the others."""
    now = now or timezone.now()
    return [
        submit(
            KIND,
            scope=policy.collection.scope,
            key=f"turn:{policy.collection_id}",
            collection_id=policy.collection_id,
        )
        for policy in Policy.objects.filter(ON).select_related("collection")
        if not _failed_lately(policy.collection, now)
        and isinstance(next_act(state_of(policy, now=now), policy.rules), Act)
    ]


def _failed_lately(collection: Collection, now: datetime) -> bool:
    """Whether the last step ended in a defect: the job says which, and is not repeated every half minute."""
    last = Job.objects.filter(scope=collection.scope, kind=KIND).first()
    return bool(last and last.status == Status.FAILED and last.finished_at and last.finished_at > now - HOLD)


def standing(collection: Collection) -> Act | tuple[Reason, ...]:
    """What the loop of `collection` would do now, or why it does nothing."""
    policy = Policy.objects.filter(collection=collection).select_related("collection").first()
    if policy is None:
        return (Reason("", "off"),)
    return next_act(state_of(policy, now=timezone.now()), policy.rules)


def turn(collection: Collection, *, now: datetime | None = None) -> PolicyAct | None:
    """Do the one thing that is next; None where there is nothing, or where somebody else did it meanwhile.

    An act that ends in an EarmarkError is undone, held for HOLD, and told on the page of the policy.
    """
    now = now or timezone.now()
    policy = Policy.objects.filter(ON, collection=collection).select_related("collection").first()
    found = next_act(state_of(policy, now=now), policy.rules) if policy else ()
    if policy is None or not isinstance(found, Act):
        return None
    try:
        return _step(policy.pk, found, now)
    except EarmarkError as error:
        _hold(policy, found, error, now)
        return None


def _step(policy_pk: int, act: Act, now: datetime) -> PolicyAct | None:
    with transaction.atomic():
        # a policy first, then its collection: whoever changes the policy takes them in the same order
        policy = Policy.objects.select_for_update(of=("self",)).select_related("collection").get(pk=policy_pk)
        Collection.objects.select_for_update(no_key=True).get(pk=policy.collection_id)
        if next_act(state_of(policy, now=now), policy.rules) is not act:
            return None
        details = _DO[act](policy)
        row = PolicyAct.objects.create(collection=policy.collection, act=act, details=details)
        audit(
            None,
            f"{act} by policy",
            policy.collection.scope,
            policy=policy.pk,
            act=row.pk,
            rule=_rule(act, policy),
            **details,
        )
        if policy.held_act == act:
            Policy.objects.filter(pk=policy.pk).update(**UNHELD)
    return row


UNHELD = {"held_act": "", "held_error_id": "", "held_error": "", "held_until": None}


def _hold(policy: Policy, act: Act, error: EarmarkError, now: datetime) -> None:
    """Leave the act alone for a while. The first time it fails, the audit log says so."""
    if (policy.held_act, policy.held_error_id) != (act, error.error_id):
        audit(
            None,
            f"{act} by policy failed",
            policy.collection.scope,
            policy=policy.pk,
            error_id=error.error_id,
        )
    Policy.objects.filter(pk=policy.pk).update(
        held_act=act, held_error_id=error.error_id, held_error=str(error), held_until=now + HOLD
    )


def _measure(policy: Policy) -> dict[str, Any]:
    collection = policy.collection
    snapshot, held = test_set(collection), champion(collection)
    assert snapshot is not None
    models = [one for one in (held, candidate(collection, held)) if one is not None]
    known = Evaluation.objects.filter(snapshot=snapshot, model__in=models).values_list("model_id", flat=True)
    missing = [one for one in models if one.pk not in set(known)]
    jobs = [request_evaluation(model=one, snapshot=snapshot, by=None).pk for one in missing]
    return {"models": [one.name for one in missing], "jobs": jobs}


def _promote(policy: Policy) -> dict[str, Any]:
    model = candidate(policy.collection, champion(policy.collection))
    assert model is not None
    row = promote_if_better(collection=policy.collection, model=model, by=None, is_automatic=True)
    return {"promotion": row.pk, "model": model.name, "outcome": str(row.outcome)}


def _transcribe(policy: Policy) -> dict[str, Any]:
    job = submit_transcription(collection=policy.collection, only="pool", by=None)
    return {"model": champion(policy.collection).name, "job": job.pk}


def _train(policy: Policy) -> dict[str, Any]:
    done = TrainingJob.objects.filter(collection=policy.collection).count()
    labelled = state_of(policy, now=timezone.now()).labelled_seconds
    row = launch(
        collection=policy.collection,
        recipe=policy.recipe,
        seed=done + 1,
        overrides=policy.overrides,
        by=None,
    )
    return {"training": row.pk, "recipe": policy.recipe, "labelled_minutes": round(labelled / 60, 1)}


def _close_round(policy: Policy) -> dict[str, Any]:
    row = Round.objects.filter(collection=policy.collection).first()
    assert row is not None
    close_round(round=row, by=None)
    return {"round": row.number}


def _open_round(policy: Policy) -> dict[str, Any]:
    number = Round.objects.filter(collection=policy.collection).count() + 1
    row, job = request_round(
        collection=policy.collection,
        budget_seconds=policy.round_minutes * 60,
        audit_share=policy.audit_share,
        strategy=policy.strategy,
        seed=zlib.crc32(f"{policy.collection.slug}:{number}".encode()) // 2,
        by=None,
    )
    return {"round": row.number, "minutes": policy.round_minutes, "job": job.pk}


_DO: Mapping[Act, Callable[[Policy], dict[str, Any]]] = {
    Act.MEASURE: _measure,
    Act.PROMOTE: _promote,
    Act.TRANSCRIBE: _transcribe,
    Act.TRAIN: _train,
    Act.CLOSE_ROUND: _close_round,
    Act.OPEN_ROUND: _open_round,
}


def _rule(act: Act, policy: Policy) -> str:
    """The switch that let it, with its threshold, as the audit log tells it."""
    return {
        Act.TRAIN: f"train when {policy.train_minutes:g} min are newly labelled",
        Act.MEASURE: "promote when better",
        Act.PROMOTE: "promote when better",
        Act.TRANSCRIBE: "transcribe again with a new champion",
        Act.CLOSE_ROUND: "open rounds",
        Act.OPEN_ROUND: f"open rounds of {policy.round_minutes:g} within {policy.monthly_minutes:g} min a month",
    }[act]
