"""What stays of a job folder, and for how long."""

import logging
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from earmark.jobs.models import Status
from training_jobs.launchers.trainer_process import is_free
from training_jobs.models import TrainingJob
from training_jobs.preparing import folder_of

log = logging.getLogger(__name__)

HEAVY = ("audio", "checkpoint", "features", "model")
"""What a finished training needs no more: its model is kept among the models, its clips are in the snapshot."""


def tidy(folder: Path) -> None:
    """Leave settings, manifests, figures and logs of a training whose model is kept."""
    for name in HEAVY:
        shutil.rmtree(folder / name, ignore_errors=True)
    for part in folder.glob("model-draft-*"):
        shutil.rmtree(part, ignore_errors=True)


def sweep(*, now: datetime | None = None) -> int:
    """Delete the folders of trainings that ended without a model long ago, and those no training owns; how many.

    Long ago: EARMARK_TRAINING_KEEP_DAYS; 0 keeps them for good.
    """
    now = now or timezone.now()
    swept = _sweep_strays()
    if not settings.EARMARK.training_keep_days:
        return swept
    before = now - timedelta(days=settings.EARMARK.training_keep_days)
    ended = TrainingJob.objects.filter(
        Q(job__status__in=(Status.FAILED, Status.CANCELLED), job__finished_at__lt=before)
        | Q(job=None, created_at__lt=before),
        swept_at=None,
        model=None,
    )
    for training in ended:
        folder = folder_of(training)
        if not is_free(folder):
            continue
        # who retries it meanwhile waits; who is killed in here leaves it to the next sweep
        with transaction.atomic():
            row = (
                TrainingJob.objects.select_for_update(of=("self",)).select_related("job").get(pk=training.pk)
            )
            if row.job is None or row.job.is_finished:
                shutil.rmtree(folder, ignore_errors=True)
                TrainingJob.objects.filter(pk=row.pk).update(swept_at=now)
                swept += 1
    return swept


def _sweep_strays() -> int:
    """Folders of trainings that were deleted with their collection."""
    root = settings.EARMARK.var / "training"
    found = (
        {int(path.name): path for path in root.glob("*") if path.name.isdecimal()} if root.is_dir() else {}
    )
    known = set(TrainingJob.objects.filter(pk__in=found).values_list("pk", flat=True))
    strays = [path for pk, path in found.items() if pk not in known and is_free(path)]
    for path in strays:
        log.info("the training of %s is gone: deleted", path)
        shutil.rmtree(path, ignore_errors=True)
    return len(strays)
