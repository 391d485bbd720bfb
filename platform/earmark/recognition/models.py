"""Models that hear, and what each heard in each clip."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Clip, Collection


class ModelVersion(models.Model):
    """A model folder (or hub id) with its lineage: parent, snapshot digest, recipe, seed, code version."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    source = models.CharField(_("source"), max_length=500, help_text=_("folder, hub id or address"))
    engine = models.CharField(
        _("engine"),
        max_length=40,
        default="glm-asr",
        help_text=_("its name among the engines in the settings"),
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    lineage = models.JSONField(_("lineage"), default=dict)
    thinned_at = models.DateTimeField(
        _("thinned at"),
        null=True,
        help_text=_("when its details were thinned out; it has heard nothing since"),
    )
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
    """What one model version heard in one clip. Never edited.

    `confidence` is the model's own, before any calibration; `features` are what a calibration works from. Both keys
    lead an index of more columns: one of their own would be written for nothing.
    """

    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="hypotheses", db_index=False)
    model = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="hypotheses", db_index=False
    )
    text = models.TextField(_("text"), blank=True)
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

    @property
    def tokens(self) -> list[Any]:
        """`HypothesisDetails.tokens`; empty where the details have been thinned out."""
        return self.details.tokens if hasattr(self, "details") else []

    @property
    def words(self) -> list[Any]:
        """`HypothesisDetails.words`; empty where the details have been thinned out."""
        return self.details.words if hasattr(self, "details") else []


class HypothesisDetails(models.Model):
    """What is wide and only wanted of models in use: thinned out when a model is superseded."""

    hypothesis = models.OneToOneField(
        Hypothesis, primary_key=True, on_delete=models.CASCADE, related_name="details"
    )
    tokens = models.JSONField(_("tokens"), default=list, help_text=_("[text, log-probability, entropy] each"))
    words = models.JSONField(
        _("words"), default=list, help_text=_("[text, start, end, score] each, seconds from the clip's start")
    )
    embedding = models.BinaryField(_("embedding"), null=True, help_text=_("little-endian float16"))

    class Meta:
        verbose_name = _("details of a hypothesis")
        verbose_name_plural = _("details of hypotheses")

    def __str__(self) -> str:
        return f"details of {self.hypothesis_id}"


class Calibration(models.Model):
    """How far one model is to be trusted in one collection, learned from clips drawn at random. Never edited.

    The newest of a collection and model holds. `parameters` is what `earmark.speech.calibration` reads back, `report`
    how good it is on clips it was not fitted on. The first of a trained model comes from dev clips (`fitted_on` in its
    report), until clips that people audited replace it.
    """

    ON_DEV = "dev"

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="calibrations")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="calibrations")
    parameters = models.JSONField(_("parameters"))
    report = models.JSONField(_("report"))
    clips = models.PositiveIntegerField(_("audited clips"))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("calibration")
        verbose_name_plural = _("calibrations")
        indexes = [models.Index(fields=["collection", "model", "-id"], name="calibration_newest")]

    def __str__(self) -> str:
        return f"{self.model} · {self.collection} · {self.created_at:%Y-%m-%d}"

    @property
    def is_audited(self) -> bool:
        """Whether it was learned from clips drawn at random that people labelled."""
        return self.report.get("fitted_on") != self.ON_DEV


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


from earmark.recognition import live_models, run_models  # noqa: E402, F401  Django looks for models here
