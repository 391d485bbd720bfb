"""What a person may be in a collection."""

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
