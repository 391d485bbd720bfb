"""Run one job: claim, breathe, do, record the outcome."""

import logging
import os
import socket
import threading
import time
import traceback
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from earmark.jobs.models import Job, Status
from earmark.jobs.registry import Later, kind
from earmark.speech.errors import EarmarkError

log = logging.getLogger(__name__)

PROGRESS_EVERY_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 300.0
TRANSIENT = (OperationalError, InterfaceError, ConnectionError, TimeoutError)


class Cancelled(Exception):
    """Someone asked for the end of this job."""


class LeaseLost(Exception):
    """Another worker holds this job now; this one must write nothing more."""


class RunningJob:
    """A claimed job that breathes: a thread renews the lease while the handler works."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._cancel = threading.Event()
        self._written_at = 0.0
        self._thread = threading.Thread(target=self._breathe, name=f"heartbeat-{job.pk}", daemon=True)

    def __enter__(self) -> "RunningJob":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def job_id(self) -> int:
        return self.job.pk

    @property
    def attempt(self) -> int:
        return self.job.attempt

    def _breathe(self) -> None:
        every = settings.EARMARK.job_lease_seconds / 6
        try:
            while not self._stop.wait(every):
                try:
                    if not self.job.heartbeat():
                        self._lost.set()
                        return
                    if Job.objects.filter(pk=self.job.pk, cancel_requested=True).exists():
                        self._cancel.set()
                except (OperationalError, InterfaceError):
                    log.warning("job %s: heartbeat missed, the database is away", self.job.pk)
                    connection.close()
        finally:
            connection.close()

    def check(self) -> None:
        if self._lost.is_set():
            raise LeaseLost
        if self._cancel.is_set():
            raise Cancelled

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.check()
        now = time.monotonic()
        if done < total and now - self._written_at < PROGRESS_EVERY_SECONDS:
            return
        self._written_at = now
        if not self.job.set_progress(done=done, total=total, note=note):
            raise LeaseLost
        if Job.objects.filter(pk=self.job.pk, cancel_requested=True).exists():
            raise Cancelled


def run(pk: int) -> Status | None:
    """Run job `pk` if it is free; returns how it ended, None when it was not ours to run."""
    job = Job.objects.claim(pk, worker=f"{socket.gethostname()}:{os.getpid()}")
    if job is None:
        return None
    if job.attempt > job.max_attempts:
        job.set_failed(
            error_id="jobs:attempts:exhausted",
            error=f"Job {pk} ({job.kind}) was begun {job.max_attempts} times and never ended. "
            "Read the worker's log, then submit it again.",
        )
        return Status.FAILED
    with RunningJob(job) as running:
        return _attempt(job, running)


def wait_seconds(attempt: int) -> float:
    """How long to wait after that attempt failed for a passing reason; a job that is parked often has thousands."""
    return min(2.0 ** min(attempt, 16), LONGEST_WAIT_SECONDS)


def _attempt(job: Job, running: RunningJob) -> Status | None:
    try:
        if job.cancel_requested and kind(job.kind).cancel is None:
            raise Cancelled
        result: dict[str, Any] = kind(job.kind).run(running, **job.arguments)
    except Cancelled:
        if job.set_cancelled():
            kind(job.kind).cancelled(**job.arguments)
        return Status.CANCELLED
    except Later as later:
        job.park(seconds=later.seconds)
        return Status.RUNNING
    except LeaseLost:
        log.warning("job %s: lease lost, another worker holds it", job.pk)
        return None
    except EarmarkError as error:
        job.set_failed(error_id=error.error_id, error=str(error), traceback=traceback.format_exc())
        return Status.FAILED
    except TRANSIENT as error:
        log.warning("job %s: %s; given back to the queue", job.pk, error)
        connection.close()
        job.release(wait_seconds=wait_seconds(job.attempt), error_id="jobs:transient", error=str(error))
        return Status.QUEUED
    except Exception as error:
        log.exception("job %s (%s) failed", job.pk, job.kind)
        job.set_failed(
            error_id="jobs:unexpected",
            error=f"{type(error).__name__}: {error}. This is a defect: report it with the job's trace.",
            traceback=traceback.format_exc(),
        )
        return Status.FAILED
    job.set_succeeded(result)
    return Status.SUCCEEDED
