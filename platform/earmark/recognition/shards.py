"""Shards move by compare-and-swap: one carrier holds each, and loses it when its own job is lost."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from earmark.jobs.models import UNFINISHED, Job, Status
from earmark.jobs.services import submit
from earmark.recognition.models import Hypothesis
from earmark.recognition.run_models import TranscriptionRun, TranscriptionShard

KIND = "recognition.carry"
"""The kind of job that carries shards."""
MAX_ATTEMPTS = 5
"""A shard that was begun so often and came no further fails: something in it ends workers."""
SHARD, RUN, JOB = (model._meta.db_table for model in (TranscriptionShard, TranscriptionRun, Job))
Shard = TranscriptionShard
OPEN = (Shard.Status.WAITING, Shard.Status.RUNNING)


def free(queue: str) -> QuerySet[TranscriptionShard]:
    """The shards of `queue` that a carrier may take: nobody's, or of one that stopped breathing. Most urgent first."""
    nobodys = Q(status=Shard.Status.WAITING) | Q(Q(status=Shard.Status.RUNNING), ~Exists(_living_carrier()))
    of_a_run = Q(run__job__status__in=UNFINISHED, run__job__cancel_requested=False)
    return Shard.objects.filter(nobodys, of_a_run, queue=queue, attempts__lt=MAX_ATTEMPTS).order_by(
        F("priority").desc(), "pk"
    )


def _living_carrier() -> QuerySet[Job]:
    return Job.objects.filter(
        pk=OuterRef("carrier"),
        attempt=OuterRef("carrier_attempt"),
        status=Status.RUNNING,
        lease_until__gte=timezone.now(),
    )


def ensure_carrier(queue: str) -> None:
    """Wake one more worker of `queue` when a shard is free and none is on its way."""
    on_its_way = Job.objects.filter(kind=KIND, queue=queue, status=Status.QUEUED)
    if free(queue).exists() and not on_its_way.exists():
        submit(KIND, queue=queue, on=queue)


def claim(queue: str, *, job: int, attempt: int) -> TranscriptionShard | None:
    """Take the most urgent free shard of `queue` for this attempt of the carrier `job`; None when none is free."""
    rows = free(queue).select_for_update(skip_locked=True, of=("self",)).values("pk")[:1]
    with transaction.atomic(), connection.cursor() as cursor:
        sql, parameters = rows.query.sql_with_params()
        cursor.execute(
            f"UPDATE {SHARD} SET status = %s, carrier_id = %s, carrier_attempt = %s, attempts = attempts + 1"
            f" WHERE id = ({sql}) RETURNING id",
            [Shard.Status.RUNNING.value, job, attempt, *parameters],
        )
        found = cursor.fetchone()
    if found is None:
        return None
    return Shard.objects.select_related("run__collection", "run__model", "run__job").get(pk=found[0])


def _held(shard: TranscriptionShard) -> QuerySet[TranscriptionShard]:
    """This row, if this very attempt still holds it."""
    return Shard.objects.filter(
        pk=shard.pk,
        status=Shard.Status.RUNNING,
        carrier=shard.carrier_id,
        carrier_attempt=shard.carrier_attempt,
    )


def set_progress(
    shard: TranscriptionShard, *, heard: int, failures: Mapping[str, int], seconds: float, busy: float
) -> bool:
    """What came of the shard so far, earlier attempts included; False when somebody else holds it now.

    An attempt that came further than those before is counted as the first: a long shard may outlive many workers.
    """
    attempts = 1 if seconds > shard.seconds_done else F("attempts")
    return bool(
        _held(shard).update(
            heard=heard,
            failures=dict(failures),
            seconds_done=seconds,
            busy_seconds=busy,
            attempts=attempts,
        )
    )


def give_back(shard: TranscriptionShard, *, counted: bool) -> bool:
    """Leave the rest of the shard to whoever takes it; the attempt counts against it if it is `counted`."""
    spent = F("attempts") if counted else F("attempts") - 1
    return bool(_held(shard).update(status=Shard.Status.WAITING, carrier=None, attempts=spent))


def set_done(shard: TranscriptionShard, *, heard: int, failures: Mapping[str, int], busy: float) -> bool:
    """All of it is heard or has failed. What an attempt heard that was killed before it could say so is counted."""
    if shard.attempts > 1 or shard.seconds_done:
        heard = Hypothesis.objects.filter(
            clip__in=shard.clip_ids, model=shard.run.model_id, created_at__gte=shard.run.created_at
        ).count()
    return _end(
        shard,
        Shard.Status.DONE,
        heard=heard,
        failures=dict(failures),
        seconds_done=F("seconds"),
        busy_seconds=busy,
        clip_ids=[],
    )


def set_failed(shard: TranscriptionShard, *, error_id: str, error: str) -> bool:
    """The shard cannot be heard."""
    return _end(shard, Shard.Status.FAILED, error_id=error_id, error=error)


def set_cancelled(shard: TranscriptionShard) -> bool:
    """Its run was cancelled."""
    return _end(shard, Shard.Status.CANCELLED)


def _end(shard: TranscriptionShard, status: str, **fields: object) -> bool:
    return bool(_held(shard).update(status=status, finished_at=timezone.now(), **fields))


def call_off(run: TranscriptionRun) -> None:
    """Cancel what nobody has begun of `run`; whoever hears the rest stops at the next step."""
    run.shards.filter(status=Shard.Status.WAITING).update(
        status=Shard.Status.CANCELLED, finished_at=timezone.now()
    )


def fail_exhausted(run: TranscriptionRun) -> int:
    """Fail the shards of `run` that ended every worker that took them; returns how many."""
    spent = run.shards.filter(status__in=OPEN, attempts__gte=MAX_ATTEMPTS)
    return spent.filter(~Exists(_living_carrier())).update(
        status=Shard.Status.FAILED,
        finished_at=timezone.now(),
        error_id="recognition:shard:exhausted",
        error=f"It was begun {MAX_ATTEMPTS} times and came no further. Read the workers' logs.",
    )


@dataclass(frozen=True)
class Claimed:
    """What a carrier may look at while it hears: whether it still should."""

    run_ended: bool
    more_urgent: bool


def look_up(shard: TranscriptionShard) -> Claimed:
    """Whether the shard's run has ended, and whether something more urgent waits."""
    job = Job.objects.filter(pk=shard.run.job_id).values_list("status", "cancel_requested").get()
    return Claimed(
        run_ended=job[0] not in UNFINISHED or job[1],
        more_urgent=free(shard.queue).filter(priority__gt=shard.priority).exists(),
    )
