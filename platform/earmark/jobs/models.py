"""Long work as rows: status by compare-and-swap, a lease for who holds it, an attempt number against late writers."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


UNFINISHED = (Status.QUEUED, Status.RUNNING)
ELSEWHERE = "elsewhere"
"""The worker of a job that is parked: other jobs do its work."""


class JobQuerySet(models.QuerySet["Job"]):
    def unfinished(self) -> "JobQuerySet":
        return self.filter(status__in=UNFINISHED)

    def waiting(self, queue: str) -> "JobQuerySet":
        """Those of `queue` that a worker may begin, the oldest first."""
        return self.filter(status=Status.QUEUED, queue=queue, not_before__lte=timezone.now()).order_by("pk")

    def abandoned(self) -> "JobQuerySet":
        """Queued rows whose message may be lost, and running rows whose worker stopped breathing."""
        now = timezone.now()
        waited = now - timedelta(seconds=settings.EARMARK.job_lease_seconds)
        due = Q(status=Status.QUEUED, not_before__lte=now) | Q(status=Status.RUNNING, lease_until__lt=now)
        return self.filter(due & (Q(sent_at=None) | Q(sent_at__lt=waited)))

    def claim(self, pk: int, *, worker: str) -> "Job | None":
        """Take the job if it is free: queued and due, or held by a worker whose lease ran out."""
        now = timezone.now()
        free = Q(status=Status.QUEUED, not_before__lte=now) | Q(status=Status.RUNNING, lease_until__lt=now)
        taken = self.filter(free, pk=pk).update(
            status=Status.RUNNING,
            worker=worker,
            attempt=F("attempt") + 1,
            lease_until=lease_end(),
            sent_at=None,
            started_at=Coalesce("started_at", now),
            error_id="",
            error="",
        )
        return self.get(pk=pk) if taken else None


def lease_end() -> Any:
    """When a lease that is renewed now runs out."""
    return timezone.now() + timedelta(seconds=settings.EARMARK.job_lease_seconds)


class Job(models.Model):
    """One piece of long work: what, for whom, how far, how it ended."""

    kind = models.CharField(_("kind"), max_length=60)
    queue = models.CharField(_("queue"), max_length=20)
    arguments = models.JSONField(_("arguments"), default=dict)
    scope = models.CharField(
        _("scope"), max_length=60, blank=True, help_text=_("what it belongs to: collection:3")
    )
    key = models.CharField(
        _("key"), max_length=200, blank=True, help_text=_("two unfinished jobs never share a key")
    )
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.QUEUED)
    worker = models.CharField(_("worker"), max_length=120, blank=True)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    max_attempts = models.PositiveIntegerField(_("attempts allowed"), default=5)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    not_before = models.DateTimeField(_("not before"), default=timezone.now)
    cancel_requested = models.BooleanField(_("cancel requested"), default=False)
    done = models.FloatField(_("done"), default=0)
    total = models.FloatField(_("total"), default=0)
    note = models.CharField(_("note"), max_length=200, blank=True)
    result = models.JSONField(_("result"), default=dict)
    error_id = models.CharField(_("error id"), max_length=80, blank=True)
    error = models.TextField(_("error"), blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        indexes = [
            models.Index(fields=["lease_until"], condition=Q(status__in=UNFINISHED), name="job_unfinished"),
            models.Index(fields=["scope", "-id"], name="job_scope"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["key"],
                condition=Q(status__in=UNFINISHED) & ~Q(key=""),
                name="one_unfinished_job_per_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk} {self.status}"

    @property
    def is_finished(self) -> bool:
        return self.status not in UNFINISHED

    @property
    def share_done(self) -> float:
        """Progress in [0, 1]; 0 while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    def _held(self) -> JobQuerySet:
        """This row, if this very attempt still holds it."""
        return Job.objects.filter(pk=self.pk, status=Status.RUNNING, attempt=self.attempt)

    def heartbeat(self) -> bool:
        """Renew the lease; False when someone else holds the job now."""
        return bool(self._held().update(lease_until=lease_end()))

    def set_progress(self, *, done: float, total: float, note: str) -> bool:
        return bool(self._held().update(done=done, total=total, note=note[:200]))

    def set_succeeded(self, result: dict[str, Any]) -> bool:
        return self._finish(Status.SUCCEEDED, result=result)

    def set_failed(self, *, error_id: str, error: str, traceback: str = "") -> bool:
        return self._finish(Status.FAILED, error_id=error_id, error=error, traceback=traceback)

    def set_cancelled(self) -> bool:
        return self._finish(Status.CANCELLED)

    def release(self, *, wait_seconds: float, error_id: str, error: str) -> bool:
        """Give the job back to the queue, due again after `wait_seconds`."""
        due = timezone.now() + timedelta(seconds=wait_seconds)
        return bool(
            self._held().update(
                status=Status.QUEUED,
                not_before=due,
                sent_at=None,
                lease_until=None,
                error_id=error_id,
                error=error,
            )
        )

    def park(self, *, seconds: float) -> bool:
        """Leave the job running in nobody's hands: it is taken up after `seconds`, and the attempt is not counted."""
        due = timezone.now() + timedelta(seconds=seconds)
        return bool(
            self._held().update(worker=ELSEWHERE, lease_until=due, max_attempts=F("max_attempts") + 1)
        )

    def _finish(self, status: Status, **fields: Any) -> bool:
        return bool(
            self._held().update(status=status, finished_at=timezone.now(), lease_until=None, **fields)
        )
