"""Label Studio projects of other people that have our platform as their ML backend, and what came back from them."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Clip, Collection


class ConnectedProject(models.Model):
    """A project that asked to be set up, by somebody with a role here; its key to Label Studio is never kept."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="connected_projects")
    host = models.CharField(_("Label Studio"), max_length=300, help_text=_("as it calls itself"))
    project_id = models.PositiveIntegerField(_("project"))
    connected_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    connected_at = models.DateTimeField(_("connected at"), auto_now_add=True)
    seen_at = models.DateTimeField(_("seen at"), auto_now=True)
    synced_until = models.DateTimeField(_("synced until"), null=True)
    gone_at = models.DateTimeField(_("gone since"), null=True, help_text=_("when it was no longer there"))

    class Meta:
        ordering = ["-seen_at"]
        verbose_name = _("connected project")
        verbose_name_plural = _("connected projects")
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "host", "project_id"], name="one_connection_per_project"
            )
        ]

    def __str__(self) -> str:
        return f"{self.host} · {self.project_id}"


class OutsideAnnotation(models.Model):
    """A submission in a connected project, as it was last told: the clip's reference, or why it is none."""

    project = models.ForeignKey(ConnectedProject, on_delete=models.CASCADE, related_name="annotations")
    annotation_id = models.PositiveBigIntegerField(_("Label Studio annotation"))
    clip = models.ForeignKey(Clip, null=True, on_delete=models.SET_NULL, related_name="outside_annotations")
    author = models.CharField(_("author"), max_length=150)
    text = models.TextField(_("text"), blank=True)
    error_id = models.CharField(_("error id"), max_length=80, blank=True)
    updated_at = models.DateTimeField(_("updated at"))

    class Meta:
        ordering = ["-updated_at"]
        verbose_name = _("annotation of a connected project")
        verbose_name_plural = _("annotations of connected projects")
        constraints = [
            models.UniqueConstraint(
                fields=["project", "annotation_id"], name="one_row_per_outside_annotation"
            )
        ]

    def __str__(self) -> str:
        return self.text
