"""Trainings, what they reported while they ran, and how good each model is."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.jobs.models import Job
from earmark.recognition.models import ModelVersion


class TrainingJob(models.Model):
    """One training: a snapshot, a base model, a recipe and a seed make a new model version."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="training_jobs")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="training_jobs")
    base = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="trainings")
    recipe = models.CharField(_("recipe"), max_length=60)
    seed = models.PositiveIntegerField(_("seed"))
    overrides = models.JSONField(_("settings"), default=dict)
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL)
    model = models.OneToOneField(ModelVersion, null=True, on_delete=models.PROTECT, related_name="made_by")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("training job")
        verbose_name_plural = _("training jobs")

    def __str__(self) -> str:
        return f"{self.recipe} · {self.base}"


class TrainingMetric(models.Model):
    """One line of the trainer's `metrics.jsonl`; `position` is the byte where it begins, so no line is kept twice."""

    training_job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="metrics")
    position = models.PositiveBigIntegerField()
    step = models.PositiveIntegerField(_("step"))
    stage = models.CharField(_("stage"), max_length=20)
    values = models.JSONField(_("values"))

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["training_job", "position"], name="one_metric_per_line")
        ]

    def __str__(self) -> str:
        return f"{self.training_job_id}@{self.step}"


class Evaluation(models.Model):
    """A model's error rate on a frozen test set, with its bootstrap interval, overall and by slice."""

    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="evaluations")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="evaluations")
    error_rate = models.FloatField(_("error rate"))
    low = models.FloatField(_("interval low"))
    high = models.FloatField(_("interval high"))
    counts = models.JSONField(
        _("counts"), default=dict, help_text=_("substitutions, insertions, deletions and units")
    )
    slices = models.JSONField(
        _("slices"), default=dict, help_text=_("by language, dialect, speaker, noise and length")
    )
    clips = models.PositiveIntegerField(_("clips"))
    seed = models.PositiveIntegerField(_("bootstrap seed"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("evaluation")
        verbose_name_plural = _("evaluations")
        constraints = [
            models.UniqueConstraint(
                fields=["model", "snapshot"], name="one_evaluation_per_model_and_snapshot"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.error_rate:.3f}"


class Comparison(models.Model):
    """Two models on the same clips of a frozen set: how well, how fast, how large, and whether it is chance.

    `options` are what was asked for, `report` what was found: empty until the job is done, never edited after.
    """

    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="comparisons")
    a = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="compared_as_a")
    b = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="compared_as_b")
    options = models.JSONField(_("settings"), default=dict)
    report = models.JSONField(_("report"), default=dict)
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="comparison")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("comparison")
        verbose_name_plural = _("comparisons")

    def __str__(self) -> str:
        return f"{self.a} / {self.b}"
