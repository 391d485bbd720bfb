"""Transcription runs: asked for, planned, watched until every shard has ended, called off.

A run's job is its face: it plans, then waits in nobody's hands while carriers hear the shards, and ends with the sum.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, Sum

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection
from earmark.jobs.models import UNFINISHED, Job, Status
from earmark.jobs.registry import Context, Later
from earmark.jobs.services import cancel, submit
from earmark.recognition import shards
from earmark.recognition.models import ModelVersion
from earmark.recognition.planning import narrowing, plan
from earmark.recognition.registry import champion
from earmark.recognition.run_models import Priority, TranscriptionRun, TranscriptionShard
from earmark.recognition.transcription import Only, clips_for, progress_note
from earmark.speech.errors import EarmarkError

KIND = "recognition.transcribe"
Shard = TranscriptionShard


def submit_transcription(
    *,
    collection: Collection,
    model: ModelVersion | None = None,
    only: str = Only.POOL,
    narrowed: dict[str, Any] | None = None,
    own_language: bool = True,
    is_urgent: bool = False,
    by: User | None = None,
) -> Job:
    """Queue the hearing of `only` those clips by `model` (the champion unless given); returns the run's job.

    A run that is under way is not begun twice: asked for again, it goes on with what has come in meanwhile, and as
    urgently as anybody asked. Raises EarmarkError `recognition:transcription:only` or `:narrowed`, and those of
    `registry.champion`.
    """
    clips_for(collection, only)
    asked = narrowing(narrowed or {})
    model = model or champion(collection)
    which = "".join(f":{name}={value}" for name, value in asked.items()) + ("" if own_language else ":auto")
    queue = settings.EARMARK.transcription_queue
    with transaction.atomic():
        job = submit(
            KIND,
            scope=collection.scope,
            key=f"transcribe:{collection.pk}:{model.pk}:{only}{which}"[:200],
            by=by,
            collection_id=collection.pk,
            model_id=model.pk,
            only=str(only),
            narrowed=asked,
        )
        run, made = TranscriptionRun.objects.get_or_create(
            job=job,
            defaults={
                "collection": collection,
                "model": model,
                "only": str(only),
                "narrowed": asked,
                "own_language": own_language,
                "is_urgent": is_urgent,
                "queue": queue,
                "created_by": by,
            },
        )
        if made:
            audit(by, "transcribe", collection.scope, run=run.pk, model=model.name, only=str(only), **asked)
        else:
            TranscriptionRun.objects.filter(pk=run.pk).exclude(planned_at=None).update(asked_again=True)
            if is_urgent:
                _hasten(run)
    return job


def _hasten(run: TranscriptionRun) -> None:
    """Somebody waits for what was not urgent when it was asked for: what nobody has begun of it comes first now."""
    TranscriptionRun.objects.filter(pk=run.pk).update(is_urgent=True)
    run.shards.filter(status=Shard.Status.WAITING).update(priority=Priority.URGENT)


def conduct(context: Context) -> dict[str, Any]:
    """Plan the run whose job this is, then look after it until every shard has ended; returns what came of it.

    Raises Later while shards are under way, and EarmarkError: that of the shard the run ended on, or
    `recognition:run:incomplete` or `:unknown`.
    """
    run = (
        TranscriptionRun.objects.select_related("collection", "model", "job")
        .filter(job=context.job_id)
        .first()
    )
    if run is None:
        raise EarmarkError(
            "recognition:run:unknown",
            f"Job {context.job_id} belongs to no transcription run.",
            "It was asked for before runs were kept. Transcribe again.",
        )
    if run.planned_at is None:
        plan(run)
    shards.fail_exhausted(run)
    if not run.shards.filter(status__in=shards.OPEN).exists() and run.asked_again:
        plan(run)
    show_progress(run)
    context.check()
    if run.shards.filter(status__in=shards.OPEN).exists():
        shards.ensure_carrier(run.queue)
        raise Later(settings.EARMARK.job_lease_seconds)
    return _result(run)


def _result(run: TranscriptionRun) -> dict[str, Any]:
    failed = run.shards.filter(status=Shard.Status.FAILED)
    first = failed.first()
    told = figures([run])[run.pk]
    if first and run.shards.filter(status=Shard.Status.CANCELLED).exists():
        raise EarmarkError(first.error_id, first.error)
    if first:
        raise EarmarkError(
            "recognition:run:incomplete",
            f"{failed.count()} of {told.shards} parts of the run were not heard to the end. The first (clips "
            f"{first.first_clip} to {first.last_clip}): {first.error}",
            "What is heard stays. Transcribe again for the rest.",
        )
    return told_of(run)


def told_of(run: TranscriptionRun) -> dict[str, Any]:
    """How far a run is, as JSON: seconds are of audio, `pace` of them are heard a second, `left` seconds to go."""
    told = figures([run])[run.pk]
    return {
        "run": run.pk,
        "model": run.model.name,
        "heard": told.heard,
        "seconds": round(told.seconds, 2),
        "failed": told.failed,
        "failures": dict(told.failures),
        "shards": told.shards,
        "shards_ended": told.shards_ended,
        "pace": None if told.pace is None else round(told.pace, 1),
        "left": None if told.left is None else round(told.left, 1),
    }


def cancel_run(run: TranscriptionRun, *, by: User | None) -> None:
    """Call the run off: what waits is cancelled, what is being heard stops at its next step, what is heard stays."""
    cancel(run.job)
    shards.call_off(run)
    audit(by, "cancel transcription", run.collection.scope, run=run.pk)


def call_off(*, collection_id: int, model_id: int, **_what: Any) -> None:
    """Cancel what nobody has begun of the runs whose job was cancelled."""
    cancelled = TranscriptionRun.objects.filter(
        collection=collection_id,
        model=model_id,
        job__cancel_requested=True,
        job__status=Status.CANCELLED,
        shards__status=Shard.Status.WAITING,
    )
    for run in cancelled.distinct():
        shards.call_off(run)


@dataclass
class Figures:
    """How far a run is. `pace` is seconds of audio heard a second by all workers together, `left` seconds to go."""

    shards: int = 0
    shards_ended: int = 0
    clips: int = 0
    seconds: float = 0.0
    heard: int = 0
    seconds_done: float = 0.0
    carriers: int = 0
    pace: float | None = None
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return self.failures.total()

    @property
    def share_done(self) -> float:
        return min(1.0, self.seconds_done / self.seconds) if self.seconds else 0.0

    @property
    def left(self) -> float | None:
        """None while nobody hears, or nobody knows the pace."""
        missing = max(0.0, self.seconds - self.seconds_done)
        return missing / self.pace if self.pace and self.carriers else None


def figures(runs: list[TranscriptionRun]) -> dict[int, Figures]:
    """How far each of `runs` is: two queries, whatever their number.

    A worker's own pace is what all shards measured; as many as hear now hear at once.
    """
    found = {run.pk: Figures() for run in runs}
    summed = (
        Shard.objects.filter(run__in=found)
        .values("run")
        .annotate(
            shards=Count("pk"),
            shards_ended=Count("pk", filter=~Q(status__in=shards.OPEN)),
            carriers=Count("pk", filter=Q(status=Shard.Status.RUNNING)),
            clips=Sum("clips"),
            total=Sum("seconds"),
            heard=Sum("heard"),
            done=Sum("seconds_done"),
            busy=Sum("busy_seconds"),
        )
    )
    for row in summed:
        one = found[row["run"]]
        one.shards, one.shards_ended, one.carriers = row["shards"], row["shards_ended"], row["carriers"]
        one.clips, one.seconds, one.heard = row["clips"], row["total"], row["heard"]
        one.seconds_done = row["done"]
        if row["busy"]:
            one.pace = max(1, one.carriers) * row["done"] / row["busy"]
    for run_id, failures in (
        Shard.objects.filter(run__in=found).exclude(failures={}).values_list("run", "failures")
    ):
        found[run_id].failures.update(failures)
    return found


def show_progress(run: TranscriptionRun) -> None:
    """Show on the run's job how far its shards are together."""
    told = figures([run])[run.pk]
    Job.objects.filter(pk=run.job_id, status__in=UNFINISHED).update(
        done=told.seconds_done,
        total=told.seconds,
        note=progress_note(told.heard, told.failed, told.left)[:200],
    )
