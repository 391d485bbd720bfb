"""Files on their way in from a browser. Their bytes lie below EARMARK_VAR until an import has read them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class UploadBatch(models.Model):
    """What one person is uploading to one collection: open until it becomes an import."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(
        "corpus.Collection", on_delete=models.CASCADE, related_name="upload_batches"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    made = models.OneToOneField(
        "corpus.Import", null=True, blank=True, on_delete=models.SET_NULL, related_name="upload_batch"
    )
    is_open = models.BooleanField(_("open"), default=True)

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "created_by"],
                condition=Q(is_open=True),
                name="one_open_batch_per_person",
            )
        ]

    def __str__(self) -> str:
        return f"{self.created_by} → {self.collection}"


class Upload(models.Model):
    """One file of a batch. `offset` of its `length` bytes are on the disk; `path` is what the browser calls it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    batch = models.ForeignKey(UploadBatch, on_delete=models.CASCADE, related_name="uploads")
    path = models.CharField(_("path"), max_length=1000)
    length = models.BigIntegerField(_("length"))
    offset = models.BigIntegerField(_("received"), default=0)
    modified = models.BigIntegerField(_("modified"), default=0, help_text=_("by the browser's clock, ms"))
    touched_at = models.DateTimeField(_("last received"), auto_now_add=True)

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "path"], name="one_upload_per_path"),
            models.CheckConstraint(
                condition=Q(offset__gte=0, offset__lte=F("length")), name="upload_within_its_length"
            ),
        ]

    def __str__(self) -> str:
        return self.path
