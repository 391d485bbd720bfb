"""What people let the recogniser hear by the way: kept for an hour, and no part of any corpus."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Collection
from earmark.jobs.models import Job
from earmark.recognition.models import ModelVersion


class Listening(models.Model):
    """One file that somebody lets a model hear. Only they may see it; `key` is its name in addresses.

    `audio` is what it is stored as until it is heard, `seconds` and `clips` are known once it is cut.
    """

    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="listenings")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="listenings")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="listenings")
    name = models.CharField(_("name"), max_length=200)
    language = models.CharField(_("language"), max_length=10)
    audio = models.CharField(_("audio"), max_length=200, blank=True)
    bytes = models.PositiveBigIntegerField(_("bytes"))
    seconds = models.FloatField(_("seconds"), null=True)
    clips = models.PositiveIntegerField(_("clips"), null=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("listening")
        verbose_name_plural = _("listenings")

    def __str__(self) -> str:
        return f"{self.name} ({self.created_at:%H:%M})"


class ListeningClip(models.Model):
    """What is heard in one clip of it so far: text, words and, once it is final, confidence and flags."""

    of = models.ForeignKey(Listening, on_delete=models.CASCADE, related_name="heard")
    number = models.PositiveIntegerField(_("number"))
    start = models.FloatField(_("start"), help_text=_("seconds into the file"))
    seconds = models.FloatField(_("seconds"))
    said = models.JSONField(_("said"))
    is_final = models.BooleanField(_("final"), default=False)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["of", "number"], name="one_answer_per_clip_of_listening")
        ]

    def __str__(self) -> str:
        return str(self.said.get("text", ""))
