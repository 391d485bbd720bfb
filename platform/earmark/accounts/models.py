"""People, what they may do, and what they did."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from earmark.accounts.roles import Role

__all__ = ["AuditEntry", "Role", "User"]


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
