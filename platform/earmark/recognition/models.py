"""Models that hear, and what each heard in each clip."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Clip, Collection


class ModelVersion(models.Model):
    """A model folder (or hub id) with its lineage: parent, snapshot digest, recipe, seed, code version."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    source = models.CharField(_("source"), max_length=500, help_text=_("folder or hub id"))
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    lineage = models.JSONField(_("lineage"), default=dict)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")

    def __str__(self) -> str:
        return self.name


class Alias(models.Model):
    """Which model version plays which part in a collection."""

    class Name(models.TextChoices):
        CHAMPION = "champion", _("champion")
        CHALLENGER = "challenger", _("challenger")

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(_("alias"), max_length=12, choices=Name)
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="aliases")
    since = models.DateTimeField(_("since"), auto_now=True)

    class Meta:
        verbose_name = _("alias")
        verbose_name_plural = _("aliases")
        constraints = [models.UniqueConstraint(fields=["collection", "name"], name="one_model_per_alias")]

    def __str__(self) -> str:
        return f"{self.name} → {self.model}"


class Hypothesis(models.Model):
    """What one model version heard in one clip. Never edited."""

    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="hypotheses")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="hypotheses")
    text = models.TextField(_("text"), blank=True)
    tokens = models.JSONField(_("tokens"), default=list, help_text=_("[text, log-probability, entropy] each"))
    confidence = models.FloatField(_("confidence"))
    features = models.JSONField(_("features"), default=dict)
    flags = ArrayField(models.CharField(max_length=20), verbose_name=_("flags"), default=list)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("hypothesis")
        verbose_name_plural = _("hypotheses")
        constraints = [
            models.UniqueConstraint(fields=["clip", "model"], name="one_hypothesis_per_clip_and_model")
        ]
        indexes = [models.Index(fields=["model", "confidence", "clip"], name="hypothesis_by_confidence")]

    def __str__(self) -> str:
        return self.text


class TranscriptionFailure(models.Model):
    """Why one model could not hear one clip; gone once it has. The next run tries the clip again."""

    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="transcription_failures")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="transcription_failures")
    error_id = models.CharField(_("error id"), max_length=80)
    error = models.TextField(_("error"))
    at = models.DateTimeField(_("at"), auto_now=True)

    class Meta:
        ordering = ["-at"]
        verbose_name = _("transcription failure")
        verbose_name_plural = _("transcription failures")
        constraints = [
            models.UniqueConstraint(fields=["clip", "model"], name="one_failure_per_clip_and_model")
        ]

    def __str__(self) -> str:
        return f"{self.clip}: {self.error_id}"
