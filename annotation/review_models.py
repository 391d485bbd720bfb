"""What becomes of answers: who decided what about a clip, what they were about to, and how labelling is to be done."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Clip, Collection


class LabellingPlan(models.Model):
    """How a collection is labelled: what annotators are told, how they are checked, what an hour of theirs costs."""

    collection = models.OneToOneField(Collection, on_delete=models.CASCADE, related_name="labelling_plan")
    glossary = models.TextField(
        _("glossary"), blank=True, help_text=_("names and terms as they are to be written, one a line")
    )
    known_share = models.FloatField(
        _("known answers"),
        default=0.0,
        help_text=_("hidden clips whose text is known, as a share of a round"),
    )
    control_share = models.FloatField(
        _("from nothing"),
        default=0.0,
        help_text=_("share of a round transcribed without the recogniser's text"),
    )
    idle_seconds = models.FloatField(
        _("idle after"), default=60.0, help_text=_("longer without a key or a click does not count as work")
    )
    review_share = models.FloatField(
        _("reviewed at random"),
        default=0.05,
        help_text=_("share of what is labelled that a reviewer looks at whatever is known of it"),
    )
    review_above = models.FloatField(
        _("reviewed above"),
        null=True,
        blank=True,
        default=0.1,
        help_text=_("error rate above which a reviewer looks at all that a person labels; never when empty"),
    )
    hourly_cost = models.FloatField(_("cost of an hour of work"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, default="EUR")

    class Meta:
        verbose_name = _("labelling plan")
        verbose_name_plural = _("labelling plans")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    known_share__gte=0, known_share__lte=0.5, control_share__gte=0, control_share__lte=0.5
                ),
                name="plan_shares",
            ),
            models.CheckConstraint(condition=Q(idle_seconds__gt=0), name="plan_idle_positive"),
            models.CheckConstraint(
                condition=Q(review_share__gte=0, review_share__lte=1), name="plan_review_share"
            ),
        ]

    def __str__(self) -> str:
        return str(self.collection)


class Decision(models.Model):
    """What a reviewer or adjudicator decided about a clip of a round. The newest holds; none is edited."""

    class Kind(models.TextChoices):
        ACCEPT = "accept", _("accepted")
        CORRECT = "correct", _("corrected")
        RETURN = "return", _("returned")
        UNINTELLIGIBLE = "unintelligible", _("unintelligible")

    round_clip = models.ForeignKey("annotation.RoundClip", on_delete=models.PROTECT, related_name="decisions")
    kind = models.CharField(_("decision"), max_length=15, choices=Kind)
    annotation = models.ForeignKey(
        "annotation.Annotation", null=True, on_delete=models.PROTECT, related_name="decisions"
    )
    text = models.TextField(_("text"), blank=True)
    reason_code = models.CharField(_("reason"), max_length=30, blank=True)
    note = models.TextField(_("note"), blank=True)
    client_seconds = models.FloatField(
        _("time spent"), null=True, help_text=_("as the browser measured it, without idling")
    )
    server_seconds = models.FloatField(
        _("time open"), null=True, help_text=_("from showing the clip to deciding")
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="decisions")
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        indexes = [models.Index(fields=["round_clip", "-id"], name="decision_newest")]

    def __str__(self) -> str:
        return f"{self.round_clip_id}: {self.kind}"


class ReviewRequest(models.Model):
    """A labelled clip that a reviewer should look at, and why; settled by their decision, made anew by an answer."""

    class Reason(models.TextChoices):
        SLIPS = "slips", _("possible slips")
        ANNOTATOR = "annotator", _("its annotator often errs")
        RANDOM = "random", _("drawn at random")
        RETURNED = "returned", _("sent again after it was returned")

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+", db_index=False)
    round_clip = models.OneToOneField(
        "annotation.RoundClip", on_delete=models.CASCADE, related_name="review_request"
    )
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    weight = models.FloatField(_("weight"), help_text=_("the heaviest is shown first"))
    asked_at = models.DateTimeField(_("asked at"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled at"), null=True)

    class Meta:
        verbose_name = _("request for a review")
        verbose_name_plural = _("requests for reviews")
        indexes = [
            models.Index(
                fields=["collection", "-weight", "id"],
                condition=Q(settled_at=None),
                name="review_request_next",
            )
        ]

    def __str__(self) -> str:
        return f"{self.round_clip_id}: {self.reason}"


class QualityReport(models.Model):
    """How well the people of a collection label, as `annotation.measuring` found it once. Never edited.

    The newest of a collection holds. `clips` were labelled by several people, `known` answers were to known ones.
    """

    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="quality_reports", db_index=False
    )
    figures = models.JSONField(_("figures"))
    clips = models.PositiveIntegerField(_("overlapped clips"))
    known = models.PositiveIntegerField(_("known answers"))
    seed = models.PositiveIntegerField(_("seed"))
    made_at = models.DateTimeField(_("measured at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("quality report")
        verbose_name_plural = _("quality reports")
        indexes = [models.Index(fields=["collection", "-id"], name="quality_report_newest")]

    def __str__(self) -> str:
        return f"{self.collection} · {self.made_at:%Y-%m-%d %H:%M}"


class Draft(models.Model):
    """What somebody is writing about a clip on a desk of ours, saved as they type; gone once they decide."""

    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="drafts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="drafts")
    text = models.TextField(_("text"), blank=True)
    opened_at = models.DateTimeField(_("opened at"), auto_now_add=True)
    saved_at = models.DateTimeField(_("saved at"), auto_now=True)

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")
        constraints = [models.UniqueConstraint(fields=["clip", "user"], name="one_draft_per_person_and_clip")]

    def __str__(self) -> str:
        return self.text


class Invitation(models.Model):
    """A personal link with which an annotator gets an account in Label Studio; it opens nothing else."""

    annotator = models.ForeignKey(
        "annotation.Annotator", on_delete=models.CASCADE, related_name="invitations"
    )
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    made_at = models.DateTimeField(_("made at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"))
    opened_at = models.DateTimeField(
        _("opened at"), null=True, help_text=_("when it first led to Label Studio")
    )
    accepted_at = models.DateTimeField(_("accepted at"), null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")

    def __str__(self) -> str:
        return str(self.annotator)


class Incident(models.Model):
    """Something from outside that could not be taken as it came: kept whole, with what was wrong with it."""

    collection = models.ForeignKey(
        Collection, null=True, blank=True, on_delete=models.CASCADE, related_name="incidents"
    )
    round = models.ForeignKey(
        "annotation.Round", null=True, blank=True, on_delete=models.CASCADE, related_name="incidents"
    )
    error_id = models.CharField(_("error id"), max_length=80)
    error = models.TextField(_("error"))
    said = models.JSONField(_("what came"), default=dict)
    fingerprint = models.CharField(_("fingerprint"), max_length=64, blank=True)
    times = models.PositiveIntegerField(_("times"), default=1)
    first_at = models.DateTimeField(_("first"), auto_now_add=True)
    last_at = models.DateTimeField(_("last"), auto_now=True)

    class Meta:
        ordering = ["-last_at"]
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        indexes = [models.Index(fields=["collection", "-last_at"], name="incident_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint"], condition=~Q(fingerprint=""), name="one_incident_of_a_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.error_id}: {self.error}"
