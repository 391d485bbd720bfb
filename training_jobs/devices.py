"""One training to a device: who waits, in which order, and who has what. The table of held devices is the truth."""

import socket
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from earmark.jobs.models import UNFINISHED, Job, Status
from earmark.jobs.services import wake
from training_jobs.models import HeldDevice, TrainingJob

LINE = 7_346_211
"""The advisory lock under which devices are given out."""
AWAY_SECONDS = 600


def devices_here(*, stays: bool) -> tuple[str, ...]:
    """The names of what trainings may have: this host's devices, or places of a launcher that goes elsewhere."""
    named: tuple[str, ...] = settings.EARMARK.training_devices
    return tuple(f"{socket.gethostname()}/{name}" for name in named) if stays else named


def line() -> "QuerySet[TrainingJob]":
    """Trainings that wait for a device, the next one first: by priority, then as they came."""
    return (
        TrainingJob.objects.filter(phase=TrainingJob.Phase.WAITING, stop="", job__status__in=UNFINISHED)
        .select_related("job")
        .order_by("-priority", "pk")
    )


def admit(training: TrainingJob, names: tuple[str, ...]) -> tuple[str, ...]:
    """Give `training` as many of the devices `names` as it has processes, if it is its turn; those it got.

    Nobody passes in the line, unless the first needs more devices than are here. Whoever is first is woken.
    """
    with transaction.atomic():
        _lock()
        _forget_the_dead()
        held = set(HeldDevice.objects.values_list("name", flat=True))
        free = [name for name in names if name not in held]
        first = next((one for one in _due() if one.processes <= len(names)), None)
        if first is None or len(free) < first.processes:
            return ()
        if first.pk != training.pk:
            wake(first.job_id or 0)
            return ()
        taken = tuple(free[: training.processes])
        HeldDevice.objects.bulk_create(HeldDevice(name=name, training_job=training) for name in taken)
    return taken


def give_back(training: TrainingJob) -> None:
    """Let others have the devices of `training`; the next in the line is woken."""
    HeldDevice.objects.filter(training_job=training).delete()
    first = line().exclude(pk=training.pk).first()
    if first and first.job_id:
        wake(first.job_id)


def place_in_line(training: TrainingJob) -> int:
    """How many trainings go before `training`."""
    before = Q(priority__gt=training.priority) | Q(priority=training.priority, pk__lt=training.pk)
    return line().filter(before).count()


def _due() -> "QuerySet[TrainingJob]":
    """The line without those whose job waits after a fault, or that no worker took up for long."""
    now = timezone.now()
    return line().filter(
        Q(job__status=Status.RUNNING, job__lease_until__gte=now - timedelta(seconds=AWAY_SECONDS))
        | Q(job__status=Status.QUEUED, job__not_before__lte=now)
    )


def _forget_the_dead() -> None:
    """Take back what trainings hold whose job is over, however it ended."""
    alive = Job.objects.unfinished()
    HeldDevice.objects.exclude(training_job__job__in=alive).delete()


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LINE])
