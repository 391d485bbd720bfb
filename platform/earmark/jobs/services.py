"""Writes: ask for work, cancel it, wait for it, send again what was dropped."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from earmark.accounts.models import User
from earmark.jobs.models import ELSEWHERE, Job, Status
from earmark.jobs.registry import kind as registered
from earmark.speech.errors import EarmarkError

log = logging.getLogger(__name__)


def submit(
    kind: str,
    *,
    scope: str = "",
    key: str = "",
    by: User | None = None,
    max_attempts: int = 5,
    delay_seconds: float = 0.0,
    queue: str = "",
    **arguments: Any,
) -> Job:
    """Write the job and send it once the transaction commits.

    An unfinished job with the same `key` is returned as it is. It is due after `delay_seconds`, so that what
    asks often may share one job. `queue` is the kind's own unless given.
    """
    queue = queue or registered(kind).queue
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind,
                queue=queue,
                arguments=arguments,
                scope=scope,
                key=key,
                created_by=by,
                max_attempts=max_attempts,
                not_before=timezone.now() + timedelta(seconds=delay_seconds),
            )
    except IntegrityError:
        existing = Job.objects.unfinished().filter(key=key).first()
        if existing is None:
            raise
        return existing
    transaction.on_commit(partial(send, job.pk, queue, delay_seconds=delay_seconds))
    return job


def send(pk: int, queue: str, *, delay_seconds: float = 0.0) -> None:
    """Put the job's id on the broker, to be run when it is due.

    A broker that is away is no loss: the sweeper sends again.
    """
    from earmark.jobs.tasks import run_job

    try:
        run_job.apply_async(args=(pk,), queue=queue, retry=False, countdown=delay_seconds)
    except run_job.OperationalError:
        log.warning("job %s not sent: the broker is away; the sweeper sends it again", pk)
        return
    Job.objects.filter(pk=pk).update(sent_at=timezone.now())


def sweep() -> int:
    """Send every abandoned job again; returns how many."""
    abandoned = list(Job.objects.abandoned().values_list("pk", "queue")[:1000])
    for pk, queue in abandoned:
        send(pk, queue)
    return len(abandoned)


def cancel(job: Job) -> None:
    """Ask for the end of the work, in the way of its kind."""
    (registered(job.kind).cancel or end)(job)


def end(job: Job) -> None:
    """End the job at once when nobody holds it, else at its next step."""
    in_nobodys_hands = Q(status=Status.QUEUED) | Q(status=Status.RUNNING, worker=ELSEWHERE)
    ended = Job.objects.filter(in_nobodys_hands, pk=job.pk).update(
        status=Status.CANCELLED, cancel_requested=True, finished_at=timezone.now(), lease_until=None
    )
    if ended:
        registered(job.kind).cancelled(**job.arguments)
    else:
        Job.objects.unfinished().filter(pk=job.pk).update(cancel_requested=True)


def wake(pk: int) -> None:
    """Have a parked job taken up now; nothing happens to any other."""
    job = Job.objects.only("queue").get(pk=pk)
    parked = Job.objects.filter(pk=pk, status=Status.RUNNING, worker=ELSEWHERE)
    if parked.update(lease_until=timezone.now()):
        transaction.on_commit(partial(send, pk, job.queue))


def ask_to_end(job: Job) -> None:
    """Tell whoever holds the job, or takes it up next, that it shall end; what waits is taken up now."""
    Job.objects.unfinished().filter(pk=job.pk).update(cancel_requested=True)
    if Job.objects.filter(pk=job.pk, status=Status.QUEUED).update(not_before=timezone.now()):
        transaction.on_commit(partial(send, job.pk, job.queue))
    wake(job.pk)


def wait(job: Job, *, watch: Callable[[Job], None] | None = None, poll_seconds: float = 0.3) -> Job:
    """Block until the job is finished, showing each state to `watch`; raises its EarmarkError if it failed."""
    while True:
        job.refresh_from_db()
        if watch:
            watch(job)
        if job.is_finished:
            break
        time.sleep(poll_seconds)
    if job.status == Status.FAILED:
        raise EarmarkError(job.error_id, job.error)
    if job.status == Status.CANCELLED:
        raise EarmarkError("jobs:cancelled", f"Job {job.pk} ({job.kind}) was cancelled.")
    return job
