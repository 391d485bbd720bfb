"""Carry shards: a worker hears the most urgent one there is, then the next, until none is left.

Messages of the broker only wake workers. Which shard is heard is decided by the rows, at the moment a worker is free.
"""

import logging
import time
from collections import Counter
from typing import Any

from earmark.corpus.stored import UnreachableError
from earmark.jobs import running
from earmark.jobs.models import Job
from earmark.jobs.registry import Context, urgent_kinds
from earmark.jobs.running import TRANSIENT, Cancelled, LeaseLost
from earmark.jobs.services import wake
from earmark.recognition import shards
from earmark.recognition.planning import clips_of
from earmark.recognition.run_models import TranscriptionShard
from earmark.recognition.runs import show_progress
from earmark.recognition.transcription import Tally, hear_clips
from earmark.speech.errors import EarmarkError

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0


class PutAside(Exception):
    """The shard in hand is put aside: its run has ended, somebody else holds it, or another is more urgent."""

    def __init__(self, *, gives_back: bool) -> None:
        super().__init__(gives_back)
        self.gives_back = gives_back


def carry(context: Context, *, on: str) -> dict[str, Any]:
    """Hear shards of the queue `on` until none is free. What else waits on the queue goes between two of them."""
    carried = 0
    while True:
        _let_others_go_first(on, only_urgent=False)
        context.check()
        shard = shards.claim(on, job=context.job_id, attempt=context.attempt)
        if shard is None:
            return {"shards": carried}
        shards.ensure_carrier(on)
        _carry(context, shard)
        carried += 1


def _let_others_go_first(queue: str, *, only_urgent: bool) -> None:
    """Do the other jobs that wait on `queue` here and now, so that nobody waits for a long run to end."""
    waiting = Job.objects.waiting(queue).exclude(kind=shards.KIND)
    if only_urgent:
        waiting = waiting.filter(kind__in=urgent_kinds())
    for pk in list(waiting.values_list("pk", flat=True)):
        running.run(pk)


def _carry(context: Context, shard: TranscriptionShard) -> None:
    """Hear one shard and write down how it ended."""
    hearing = _Hearing(context, shard)
    try:
        hear_clips(
            hearing,
            clips=clips_of(shard.run).filter(pk__in=shard.clip_ids),
            model=shard.run.model,
            own_language=shard.run.own_language,
            tally=hearing.tally,
        )
    except PutAside as aside:
        hearing.tell()
        if aside.gives_back:
            shards.give_back(shard, counted=False)
        else:
            shards.set_cancelled(shard)
    except UnreachableError as error:
        shards.give_back(shard, counted=True)
        raise ConnectionError(str(error)) from error
    except EarmarkError as error:
        log.warning("shard %s of run %s failed: %s %s", shard.pk, shard.run_id, error.error_id, error)
        shards.set_failed(shard, error_id=error.error_id, error=str(error))
        shards.call_off(shard.run)
    except (Cancelled, LeaseLost, *TRANSIENT):
        shards.give_back(shard, counted=True)
        raise
    except Exception as error:
        shards.set_failed(shard, error_id="jobs:unexpected", error=f"{type(error).__name__}: {error}")
        raise
    else:
        told = hearing.so_far()
        shards.set_done(shard, heard=told.heard, failures=told.failures, busy=told.busy)
    finally:
        show_progress(shard.run)
        if not shard.run.shards.filter(status__in=shards.OPEN).exists():
            wake(shard.run.job_id)


class _SoFar:
    """What came of a shard in all attempts at it."""

    def __init__(self, shard: TranscriptionShard, tally: Tally, busy: float) -> None:
        planned_before = max(0.0, shard.seconds - tally.total_seconds)
        self.heard = shard.heard + tally.heard
        self.failures = Counter(shard.failures) + tally.failures
        self.seconds = min(shard.seconds, planned_before + tally.seconds)
        self.busy = shard.busy_seconds + busy


class _Hearing:
    """The context of one shard: tells the shard's row and the run's job, and says when to stop."""

    def __init__(self, context: Context, shard: TranscriptionShard) -> None:
        self._context = context
        self._shard = shard
        self._began = self._looked = time.monotonic()
        self.tally = Tally(total_seconds=shard.seconds)

    @property
    def job_id(self) -> int:
        return self._context.job_id

    @property
    def attempt(self) -> int:
        return self._context.attempt

    def check(self) -> None:
        self._context.check()

    def so_far(self) -> _SoFar:
        """All attempts together. The time a model takes to load is not counted: it tells nothing of the pace."""
        return _SoFar(self._shard, self.tally, time.monotonic() - self.tally.started)

    def tell(self) -> bool:
        """Write down how far the shard is; False when somebody else holds it now."""
        told = self.so_far()
        return shards.set_progress(
            self._shard, heard=told.heard, failures=told.failures, seconds=told.seconds, busy=told.busy
        )

    def progress(self, done: float, total: float, note: str = "") -> None:
        self._context.check()
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_SECONDS:
            return
        self._looked = now
        if not self.tell():
            raise PutAside(gives_back=False)
        show_progress(self._shard.run)
        found = shards.look_up(self._shard)
        if found.run_ended:
            raise PutAside(gives_back=False)
        if found.more_urgent:
            raise PutAside(gives_back=True)
        _let_others_go_first(self._shard.queue, only_urgent=True)
