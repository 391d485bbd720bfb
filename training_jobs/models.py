"""Trainings, what they reported while they ran, and how good each model is."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.jobs.models import Job
from earmark.recognition.models import ModelVersion


class TrainingJob(models.Model):
    """One training: a snapshot, a base model, a recipe and a seed make a new model version.

    Its job says whether it runs and how it ended; `phase` how far an unfinished one is, `stop` whether it shall end.
    """

    class Phase(models.TextChoices):
        WAITING = "waiting", _("waiting for a device")
        PREPARING = "preparing", _("preparing")
        RUNNING = "running", _("training")
        STOPPING = "stopping", _("stopping")
        REGISTERING = "registering", _("keeping the model")

    class Stop(models.TextChoices):
        NO = "", _("no")
        GENTLY = "gently", _("after saving a checkpoint")
        HARD = "hard", _("at once")

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="training_jobs")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="training_jobs")
    base = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="trainings")
    recipe = models.CharField(_("recipe"), max_length=60)
    seed = models.PositiveIntegerField(_("seed"))
    overrides = models.JSONField(_("settings"), default=dict)
    resources = models.JSONField(_("resources"), default=dict, help_text=_("processes and precision"))
    priority = models.IntegerField(_("priority"), default=0, help_text=_("the highest begins first"))
    phase = models.CharField(_("phase"), max_length=12, choices=Phase, default=Phase.WAITING)
    stop = models.CharField(_("stop"), max_length=6, choices=Stop, default=Stop.NO, blank=True)
    handle = models.JSONField(_("handle"), default=dict, help_text=_("how its launcher finds it again"))
    starts = models.PositiveIntegerField(_("starts"), default=0)
    fruitless = models.PositiveIntegerField(
        _("fruitless starts"), default=0, help_text=_("starts in a row that ended without a new step")
    )
    heard_at = models.DateTimeField(_("last heard of"), null=True)
    trackers = models.JSONField(_("trackers"), default=dict, help_text=_("what was sent where"))
    history = models.JSONField(_("history"), default=list, help_text=_("retries with their reasons"))
    swept_at = models.DateTimeField(_("swept at"), null=True)
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

    @property
    def processes(self) -> int:
        """How many processes, each on a device of its own, share the work."""
        return int(self.resources.get("processes", 1))


class HeldDevice(models.Model):
    """A device, or a place in another launcher's queue, that one training has for itself."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    training_job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="held_devices")
    since = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("held device")
        verbose_name_plural = _("held devices")

    def __str__(self) -> str:
        return self.name


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
