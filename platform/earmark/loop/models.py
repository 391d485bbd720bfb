"""What turned the wheel: promotions, and the policies by which it turns by itself."""

from dataclasses import fields

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotation.acquisition import DEFAULT_STRATEGY
from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.loop.deciding import Act, Rules
from earmark.recognition.models import ModelVersion
from training_jobs.recipe.presets import DEFAULT_PRESET


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


def default_recipe() -> str:
    """The recipe of a policy that names none."""
    return DEFAULT_PRESET


class Policy(models.Model):
    """What a collection's loop does by itself; everything is off until an admin switches it on.

    What is switched on, and from where on it holds, is `deciding.Rules`; the rest says how it is done. `held_act`
    failed with `held_error`: it is tried again after `held_until`, or when the policy is changed.
    """

    DEFAULTS = Rules()

    collection = models.OneToOneField(Collection, on_delete=models.CASCADE, related_name="policy")
    train = models.BooleanField(_("train"), default=False)
    train_minutes = models.FloatField(_("minutes newly labelled"), default=DEFAULTS.train_minutes)
    recipe = models.CharField(_("recipe"), max_length=60, default=default_recipe)
    overrides = models.JSONField(_("changed settings"), default=dict, blank=True)
    promote = models.BooleanField(_("promote"), default=False)
    transcribe = models.BooleanField(_("transcribe again"), default=False)
    open_rounds = models.BooleanField(_("open rounds"), default=False)
    round_minutes = models.FloatField(_("minutes of a round"), default=DEFAULTS.round_minutes)
    monthly_minutes = models.FloatField(_("minutes of a month"), default=DEFAULTS.monthly_minutes)
    strategy = models.CharField(_("strategy"), max_length=120, default=DEFAULT_STRATEGY)
    audit_share = models.FloatField(_("audit share"), default=0.1)
    stop = models.BooleanField(_("stop"), default=False)
    stop_gain = models.FloatField(_("points won by an hour of labels"), default=DEFAULTS.stop_gain)
    stop_rounds = models.PositiveSmallIntegerField(_("rounds looked at"), default=DEFAULTS.stop_rounds)
    held_act = models.CharField(_("act that failed"), max_length=20, blank=True)
    held_error_id = models.CharField(_("error id"), max_length=80, blank=True)
    held_error = models.TextField(_("error"), blank=True)
    held_until = models.DateTimeField(_("held until"), null=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name = _("policy")
        verbose_name_plural = _("policies")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    train_minutes__gt=0, round_minutes__gt=0, monthly_minutes__gte=0, stop_rounds__gte=1
                ),
                name="policy_thresholds",
            ),
            models.CheckConstraint(
                condition=Q(audit_share__gte=0, audit_share__lte=1), name="policy_audit_share"
            ),
        ]

    def __str__(self) -> str:
        return f"policy of {self.collection}"

    @property
    def rules(self) -> Rules:
        """What is switched on, and from where on it holds."""
        return Rules(**{one.name: getattr(self, one.name) for one in fields(Rules)})


class PolicyAct(models.Model):
    """Something the loop did by itself. Only ever added, in one transaction with what was done."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="policy_acts")
    act = models.CharField(_("act"), max_length=20, choices=[(str(one), str(one)) for one in Act])
    details = models.JSONField(_("details"), default=dict)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("act of a policy")
        verbose_name_plural = _("acts of policies")
        indexes = [models.Index(fields=["collection", "-id"], name="policy_act_newest")]

    def __str__(self) -> str:
        return f"{self.collection} · {self.act}"
