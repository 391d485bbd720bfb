"""Frozen, content-addressed lists of clips, and what was exported of them."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Clip, Collection, Reference, Split
from earmark.jobs.models import Job


class Snapshot(models.Model):
    """Clips, references and splits as they were at one moment. `digest` is the SHA-256 of its canonical manifest."""

    class Purpose(models.TextChoices):
        TRAINING = "training", _("training")
        TEST = "test", _("test set")

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="snapshots")
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    digest = models.CharField(_("digest"), max_length=64)
    counts = models.JSONField(_("counts"), default=dict)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "purpose", "digest"], name="one_snapshot_per_content"
            ),
            models.UniqueConstraint(
                fields=["collection"], condition=Q(purpose="test"), name="one_test_set_per_collection"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.digest[:12]}"


class SnapshotItem(models.Model):
    """One clip in a snapshot; `text` is null where no reference was held (the unlabelled pool)."""

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="items")
    clip = models.ForeignKey(Clip, on_delete=models.PROTECT, related_name="snapshot_items")
    split = models.CharField(_("split"), max_length=5, choices=Split)
    reference = models.ForeignKey(Reference, null=True, on_delete=models.PROTECT)
    text = models.TextField(_("text"), null=True)  # noqa: DJ001  null says "no reference", "" says "nothing is spoken"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "clip"], name="one_item_per_clip")]
        indexes = [models.Index(fields=["snapshot", "split", "id"], name="snapshot_by_split")]

    def __str__(self) -> str:
        return f"{self.snapshot_id}/{self.clip_id}"


class Export(models.Model):
    """A snapshot's labelled set written in one format, by a job, as one file to download."""

    class Format(models.TextChoices):
        JSONL = "jsonl", _("JSON lines")
        AUDIOFOLDER = "audiofolder", _("Hugging Face AudioFolder (zip)")

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="exports")
    format = models.CharField(_("format"), max_length=12, choices=Format)
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL)
    file = models.FileField(_("file"), max_length=300, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("export")
        verbose_name_plural = _("exports")

    def __str__(self) -> str:
        return f"{self.snapshot} as {self.format}"
