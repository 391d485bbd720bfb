"""A transcription run and the shards it is cut into. How far it is, is in the shards; how it ended, in its job."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Collection
from earmark.jobs.models import Job
from earmark.recognition.models import ModelVersion


class Priority(models.IntegerChoices):
    """What is heard first; within one, the oldest."""

    AGAIN = 10, _("heard again")
    NEW = 20, _("never heard")
    URGENT = 30, _("somebody waits")


class TranscriptionRun(models.Model):
    """One hearing of many clips by one model. `only` and `narrowed` say which; its shards hold their ids."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="transcriptions")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="transcriptions")
    only = models.CharField(_("which clips"), max_length=12)
    narrowed = models.JSONField(
        _("narrowed to"), default=dict, help_text=_("language, dialect, recording, import")
    )
    own_language = models.BooleanField(
        _("own language"),
        default=True,
        help_text=_("ask for each clip's own language where the model knows it"),
    )
    is_urgent = models.BooleanField(_("urgent"), default=False)
    queue = models.CharField(_("queue"), max_length=20)
    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="transcription")
    asked_again = models.BooleanField(
        default=False,
        help_text=_("asked for once more since it was planned: what has come in meanwhile follows"),
    )
    planned_at = models.DateTimeField(_("planned at"), null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("transcription run")
        verbose_name_plural = _("transcription runs")
        indexes = [models.Index(fields=["collection", "-id"], name="run_by_collection")]

    def __str__(self) -> str:
        return f"{self.collection} · {self.model} · {self.only}"


class TranscriptionShard(models.Model):
    """A stretch of a run's clips that one worker hears in one go.

    It is held by attempt `carrier_attempt` of job `carrier` for as long as that lives; `clip_ids` is emptied when it
    is done. `seconds` are planned, `seconds_done` of them are behind it, in `busy_seconds` of somebody's time.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    run = models.ForeignKey(TranscriptionRun, on_delete=models.CASCADE, related_name="shards")
    queue = models.CharField(_("queue"), max_length=20)
    priority = models.PositiveSmallIntegerField(_("priority"), choices=Priority)
    first_clip = models.BigIntegerField(_("first clip"))
    last_clip = models.BigIntegerField(_("last clip"))
    clip_ids: Any = ArrayField(models.BigIntegerField())
    clips = models.PositiveIntegerField(_("clips"))
    seconds = models.FloatField(_("seconds"))
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING)
    carrier = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="shards")
    carrier_attempt = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    heard = models.PositiveIntegerField(_("heard"), default=0)
    failures = models.JSONField(_("failures"), default=dict, help_text=_("clips by error id"))
    seconds_done = models.FloatField(_("seconds done"), default=0.0)
    busy_seconds = models.FloatField(_("seconds at work"), default=0.0)
    error_id = models.CharField(_("error id"), max_length=80, blank=True)
    error = models.TextField(_("error"), blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        ordering = ["id"]
        verbose_name = _("shard of a transcription")
        verbose_name_plural = _("shards of transcriptions")
        indexes = [
            models.Index(
                fields=["queue", "-priority", "id"],
                condition=Q(status__in=("waiting", "running")),
                name="shard_by_urgency",
            )
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: clips {self.first_clip} to {self.last_clip}"
