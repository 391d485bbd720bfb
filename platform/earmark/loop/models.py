"""What turned the wheel: promotions, and the policies by which it turns by itself."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.recognition.models import ModelVersion


class Promotion(models.Model):
    """A model that was judged against the champion, or took its place all the same. Never edited.

    `verdict` is `Verdict.as_json` of `earmark.speech.superiority`, empty where nothing was compared.
    """

    class Outcome(models.TextChoices):
        BETTER = "better", _("better, promoted")
        KEPT = "kept", _("not better, kept as challenger")
        REASON = "reason", _("promoted for a reason given")
        ROLLED_BACK = "rolled-back", _("rolled back")

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="promotions")
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome)
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="promotions")
    before = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="+")
    verdict = models.JSONField(_("verdict"), default=dict)
    reason = models.TextField(_("reason"), blank=True)
    is_automatic = models.BooleanField(_("by the policy"), default=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        indexes = [models.Index(fields=["collection", "-id"], name="promotion_newest")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(outcome="reason") | ~Q(reason=""), name="promotion_against_the_verdict_says_why"
            )
        ]

    def __str__(self) -> str:
        return f"{self.collection} · {self.model} · {self.outcome}"

    @property
    def is_change(self) -> bool:
        """Whether the champion is another since."""
        return self.outcome != self.Outcome.KEPT
