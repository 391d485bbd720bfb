"""People, what they may do, and what they did."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """A person's part in one collection; each role may do all that the ones before it may."""

    VIEWER = "viewer", _("viewer")
    ANNOTATOR = "annotator", _("annotator")
    REVIEWER = "reviewer", _("reviewer")
    MANAGER = "manager", _("manager")
    ADMIN = "admin", _("admin")

    def covers(self, needed: "Role") -> bool:
        """Whether someone with this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class User(AbstractUser):
    """A person. Superusers are admins of every collection; everyone else by membership."""

    email = models.EmailField(_("email address"), unique=True)


class AuditEntry(models.Model):
    """Who did what to which thing, when. Only ever added."""

    at = models.DateTimeField(_("at"), auto_now_add=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.PROTECT, verbose_name=_("actor"))
    verb = models.CharField(_("verb"), max_length=60)
    subject = models.CharField(_("subject"), max_length=120)
    details = models.JSONField(_("details"), default=dict)

    class Meta:
        ordering = ["-at"]
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [models.Index(fields=["subject", "-at"])]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.verb} {self.subject}"
