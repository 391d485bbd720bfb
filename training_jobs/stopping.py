"""Ask for the end of a training: after a checkpoint, then at once; and take one up again, with a reason."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.jobs.models import Job, Status
from earmark.jobs.services import ask_to_end, end, submit
from earmark.speech.errors import EarmarkError
from training_jobs import launching
from training_jobs.models import TrainingJob
from training_jobs.phases import URGENCY, Phase, Stop

KIND = "training_jobs.train"
MOST_ATTEMPTS = 20
LONGEST_REASON = 500


def cancel_job(job: Job) -> None:
    """What `jobs.services.cancel` does with the job of a training."""
    training = TrainingJob.objects.filter(job=job).first()
    if training is None:
        end(job)
    else:
        stop_training(training, by=None)


def stop_training(training: TrainingJob, *, hard: bool = False, by: User | None) -> None:
    """Ask for its end: at once if it waits, else after a checkpoint, unless `hard`. Asking for less changes nothing.

    Raises EarmarkError `training:job:finished`.
    """
    wanted = Stop.HARD if hard else Stop.GENTLY
    with transaction.atomic():
        row = TrainingJob.objects.select_for_update(of=("self",)).select_related("job").get(pk=training.pk)
        if row.job is None or row.job.is_finished:
            raise EarmarkError(
                "training:job:finished",
                _("Training job {pk} is not running.").format(pk=row.pk),
                _("There is nothing to cancel."),
            )
        if URGENCY[wanted] > URGENCY[row.stop]:
            TrainingJob.objects.filter(pk=row.pk).update(stop=wanted)
            audit(by, "cancel training", f"training job {row.pk}", how=wanted.value)
        if row.phase == Phase.WAITING and not row.handle:
            end(row.job)
        else:
            ask_to_end(row.job)


def retry(training: TrainingJob, *, reason: str, by: User | None) -> TrainingJob:
    """Queue a training that failed or was cancelled once more; it goes on from its checkpoint where there is one.

    Raises EarmarkError `training:retry:reason`, `training:retry:unfinished` or `training:retry:trained`.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise EarmarkError(
            "training:retry:reason",
            _("A retry needs a reason of 1 to {most} characters.").format(most=LONGEST_REASON),
            _("Say what has been mended, or why it may go well now."),
        )
    with transaction.atomic():
        rows = TrainingJob.objects.select_for_update(of=("self",)).select_related("job", "collection")
        row = rows.get(pk=training.pk)
        _refuse_retry(row)
        before = row.job
        row.history = [*row.history, _entry(before, reason=reason, by=by)]
        row.phase, row.stop, row.handle, row.fruitless = Phase.WAITING, Stop.NO, {}, 0
        row.job = _submit(row, by=by)
        row.swept_at = None
        row.save(update_fields=["history", "phase", "stop", "handle", "fruitless", "job", "swept_at"])
        audit(by, "retry training", f"training job {row.pk}", reason=reason)
    return row


def queue_training(training: TrainingJob, *, by: User | None) -> Job:
    """Queue the job of a new training."""
    training.job = _submit(training, by=by)
    training.save(update_fields=["job"])
    return training.job


def _submit(training: TrainingJob, *, by: User | None) -> Job:
    return submit(
        KIND,
        scope=training.collection.scope,
        key=f"train:{training.pk}",
        by=by,
        max_attempts=MOST_ATTEMPTS,
        queue=launching.queue(),
        training_job_id=training.pk,
    )


def _refuse_retry(row: TrainingJob) -> None:
    if row.model_id is not None:
        raise EarmarkError(
            "training:retry:trained",
            _("Training job {pk} has made its model.").format(pk=row.pk),
            _("Launch a new training to train again."),
        )
    if row.job is not None and not row.job.is_finished:
        raise EarmarkError(
            "training:retry:unfinished",
            _("Training job {pk} is still under way.").format(pk=row.pk),
            _("Wait for its end, or cancel it first."),
        )


def _entry(before: Job | None, *, reason: str, by: User | None) -> dict[str, Any]:
    """What is kept of the attempt that a retry follows."""
    return {
        "at": timezone.now().isoformat(timespec="seconds"),
        "by": by.username if by else "",
        "reason": reason,
        "job": before.pk if before else None,
        "status": before.status if before else Status.FAILED.value,
        "error_id": before.error_id if before else "",
        "error": before.error[:300] if before else "",
    }
