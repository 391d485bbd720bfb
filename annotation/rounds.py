"""Writes: ask for a round, choose its clips, open it, close it."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Sum
from django.utils import timezone

from annotation.acquisition import DEFAULT_STRATEGY, choose, find_strategy, read_by
from annotation.hidden import draw_known
from annotation.label_studio import patiently
from annotation.models import Round, RoundClip
from annotation.passes import make_passes
from annotation.plans import plan_of
from annotation.pool import check_readable, eligible_hypotheses, read_pool
from annotation.publishing import forget_project, publish
from annotation.settling import settle_what_came, withdraw_passes
from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Clip, Collection
from earmark.corpus.queries import usable
from earmark.jobs.models import Job
from earmark.jobs.registry import Context, Later
from earmark.jobs.services import submit
from earmark.recognition.champion_shown import is_following
from earmark.recognition.registry import champion
from earmark.speech.errors import EarmarkError

FOLLOWED_SECONDS = 3.0
ASKABLE = (Clip.State.HEARD, Clip.State.SKIPPED)


def request_round(
    *,
    collection: Collection,
    budget_seconds: float,
    audit_share: float = 0.1,
    strategy: str = DEFAULT_STRATEGY,
    seed: int,
    by: User | None,
) -> tuple[Round, Job]:
    """Write the round and submit the job that opens it.

    `budget_seconds` of audio, > 0; `audit_share` in [0, 1]; `strategy` one of ACQUISITION_STRATEGIES. Raises
    EarmarkError `annotation:round:budget`, `annotation:round:audit-share`, `annotation:strategy:unknown`,
    `annotation:strategy:no-embeddings`, `annotation:round:nothing-to-ask`.
    """
    if not 0 < budget_seconds < float("inf"):
        raise EarmarkError(
            "annotation:round:budget",
            f"A round cannot spend {budget_seconds} seconds.",
            "Give a budget above zero.",
        )
    if not 0 <= audit_share <= 1:
        raise EarmarkError(
            "annotation:round:audit-share",
            f"The audit share {audit_share} is no share of a budget.",
            "Give a number from 0 to 1.",
        )
    reads = read_by(find_strategy(strategy, settings.ACQUISITION_STRATEGIES))
    model = champion(collection)
    if not eligible_hypotheses(collection, model).exists():
        raise _nothing_to_ask(collection, f"no waiting clip has been heard by {model}")
    check_readable(collection, model, reads)
    with transaction.atomic():
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        last = Round.objects.filter(collection=collection).aggregate(last=Max("number"))["last"] or 0
        row = Round.objects.create(
            collection=collection,
            number=last + 1,
            strategy=strategy,
            budget_seconds=budget_seconds,
            audit_share=audit_share,
            seed=seed,
            model=model,
            created_by=by,
        )
        audit(by, "request round", collection.scope, round=row.number, budget_seconds=budget_seconds)
        return row, submit_opening(row, by=by)


def submit_opening(row: Round, *, by: User | None = None) -> Job:
    """Submit the job that opens the round, or opens it again after a failure."""
    return submit(
        "annotation.open_round",
        scope=row.collection.scope,
        key=f"open-round:{row.pk}",
        by=by,
        round_id=row.pk,
    )


def start_sync(*, round: Round, delay_seconds: float = 0.0) -> Job:
    """Submit the fetching of what annotators have submitted; the one under way where there is one.

    Raises EarmarkError `annotation:round:not-open` while the round has no project.
    """
    if round.project_id is None:
        raise EarmarkError(
            "annotation:round:not-open",
            f"Round {round.number} is not in Label Studio yet.",
            "Wait for the job that opens it, or read why it failed.",
        )
    return submit(
        "annotation.sync",
        scope=round.collection.scope,
        key=f"sync-round:{round.pk}",
        delay_seconds=delay_seconds,
        round_id=round.pk,
    )


def close_round(*, round: Round, by: User | None) -> None:
    """End the round: clips nobody answered go back to the pool. What is submitted later still counts.

    Where fewer people have answered than were wanted, what they say decides. Closing a closed round changes nothing.
    """
    with transaction.atomic():
        row = Round.objects.select_for_update(no_key=True).get(pk=round.pk)
        if row.status == Round.Status.CLOSED:
            return
        settle_what_came(row)
        withdraw_passes(row)
        waiting = row.clips.filter(outcome=RoundClip.Outcome.WAITING)
        returned = Clip.objects.filter(pk__in=waiting.values("clip_id"), state=Clip.State.IN_ROUND).update(
            state=Clip.State.HEARD
        )
        waiting.update(outcome=RoundClip.Outcome.RETURNED)
        row.status, row.closed_at = Round.Status.CLOSED, timezone.now()
        row.save(update_fields=["status", "closed_at"])
        audit(by, "close round", row.collection.scope, round=row.number, returned=returned)
    if row.project_id is not None:
        start_sync(round=row)


def open_round(context: Context, *, round_id: int) -> dict[str, Any]:
    """Choose the clips, send them to Label Studio, open the round. The work of the job `annotation.open_round`.

    Raises Later while the clips are being shown anew by another champion or calibration: half of them would be chosen
    by the rates of one, half by those of the other.
    """
    row = Round.objects.select_related("collection", "model", "shown_model").get(pk=round_id)
    if row.status == Round.Status.OPENING:
        if not row.clips.exists() and is_following(row.collection):
            raise Later(FOLLOWED_SECONDS)
        choose_clips(row)
        make_missing_passes(row)
        patiently(partial(publish, row, context), wait=partial(pause, context))
        Round.objects.filter(pk=row.pk, status=Round.Status.OPENING).update(status=Round.Status.OPEN)
    seconds = row.clips.aggregate(seconds=Sum("clip__seconds", default=0.0))["seconds"]
    return {"tasks": row.clips.count(), "seconds": round(seconds, 1), "project": row.project_id}


def choose_clips(row: Round) -> None:
    """Spend the budget and write what was chosen, once; a choice that is written is kept.

    Raises EarmarkError `annotation:round:nothing-to-ask`, `annotation:strategy:no-embeddings`.
    """
    if row.clips.exists():
        return
    strategy = find_strategy(row.strategy, settings.ACQUISITION_STRATEGIES)
    eligible = read_pool(row.collection, row.model, read_by(strategy))
    picks = choose(
        eligible.pool,
        strategy=strategy,
        budget_seconds=row.budget_seconds,
        audit_share=row.audit_share,
        seed=row.seed,
    )
    rows = [
        RoundClip(
            round=row,
            clip_id=int(eligible.clips[index]),
            hypothesis_id=int(eligible.hypotheses[index]),
            reason=RoundClip.Reason.AUDIT if is_audit else RoundClip.Reason.STRATEGY,
            score=float(score),
            why=why,
        )
        for index, is_audit, score, why in zip(
            picks.index, picks.is_audit, picks.score, picks.why, strict=True
        )
    ]
    with transaction.atomic():
        locked = Round.objects.select_for_update(no_key=True).get(pk=row.pk)
        if locked.status != Round.Status.OPENING or locked.clips.exists():
            return
        free = _take([one.clip_id for one in rows])
        if not free:
            raise _nothing_to_ask(row.collection, f"none fits into {row.budget_seconds:g} seconds")
        chosen = [one for one in rows if one.clip_id in free]
        RoundClip.objects.bulk_create([*chosen, *_hidden(row, len(chosen))], batch_size=1000)
        make_passes(row, now=timezone.now())


def make_missing_passes(row: Round) -> None:
    """Give out what has no passes: clips chosen before there were any."""
    with transaction.atomic():
        locked = Round.objects.select_for_update(no_key=True).get(pk=row.pk)
        if locked.status != Round.Status.CLOSED and row.clips.filter(passes=None).exists():
            make_passes(row, now=timezone.now())


def _hidden(row: Round, chosen: int) -> list[RoundClip]:
    """Clips whose answer is known, over and above the budget: the plan's share of those that were chosen."""
    count = round(plan_of(row.collection).known_share * chosen)
    known = draw_known(row.collection, row.model, count=count, seed=row.seed)
    return [
        RoundClip(round=row, clip_id=clip, hypothesis_id=hypothesis, reason=RoundClip.Reason.KNOWN, score=0.0)
        for clip, hypothesis in known
    ]


def _take(clips: Sequence[int]) -> set[int]:
    """Mark as with annotators those of `clips` that nothing took or set aside meanwhile; returns them."""
    askable = Clip.objects.select_for_update(no_key=True).filter(usable(), pk__in=clips, state__in=ASKABLE)
    free = set(askable.order_by("pk").values_list("pk", flat=True))
    Clip.objects.filter(pk__in=free).update(state=Clip.State.IN_ROUND)
    return free


def start_repair(*, round: Round, by: User | None = None) -> Job:
    """Submit the putting right of the round's project from our rows; the one under way where there is one.

    Raises EarmarkError `annotation:round:closed` for a round that asks nothing more.
    """
    if round.status == Round.Status.CLOSED:
        raise EarmarkError(
            "annotation:round:closed",
            f"Round {round.number} is closed: nothing of it is asked any more, and its answers are kept here.",
            "Open another round.",
        )
    if by is not None:
        audit(by, "repair round", round.collection.scope, round=round.number)
    if round.status == Round.Status.OPENING:
        return submit_opening(round, by=by)
    return submit(
        "annotation.repair_round",
        scope=round.collection.scope,
        key=f"repair-round:{round.pk}",
        by=by,
        round_id=round.pk,
    )


def repair_round(context: Context, *, round_id: int) -> dict[str, Any]:
    """Put the project of an open round right: the work of the job `annotation.repair_round`.

    One that was deleted is made again with what still waits; tasks, addresses, queues, label configuration and webhook
    that somebody changed or deleted are put back. What was answered stays.
    """
    row = Round.objects.select_related("collection", "model", "shown_model").get(pk=round_id)
    if row.status != Round.Status.OPEN:
        return {}
    make_missing_passes(row)
    done = patiently(partial(publish, row, context), wait=partial(pause, context))
    return {"project": row.project_id, **done}


def rebuild(row: Round) -> Job:
    """Make the project of an open round again from our rows, with what is still waiting."""
    with transaction.atomic():
        forget_project(row)
        Round.objects.filter(pk=row.pk, status=Round.Status.OPEN).update(status=Round.Status.OPENING)
        audit(None, "rebuild round", row.collection.scope, round=row.number)
        return submit_opening(row)


def pause(context: Context, seconds: float) -> None:
    """Wait, ready to stop."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        context.check()
        time.sleep(min(left, 0.5))


def _nothing_to_ask(collection: Collection, why: str) -> EarmarkError:
    return EarmarkError(
        "annotation:round:nothing-to-ask",
        f"There is nothing to ask in {collection}: {why}.",
        "Ingest more, let the champion transcribe, or give a larger budget.",
    )
