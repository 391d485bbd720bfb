"""Rounds: which clips went to people, why, and what they sent back."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Clip, Collection
from earmark.corpus.tally_models import Tally
from earmark.recognition.models import Hypothesis, ModelVersion


class Round(models.Model):
    """One turn of active learning: a budget in seconds of audio, spent on the clips worth a person's time."""

    class Status(models.TextChoices):
        OPENING = "opening", _("being opened")
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField(_("number"))
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPENING)
    strategy = models.CharField(_("strategy"), max_length=120)
    budget_seconds = models.FloatField(_("budget"), help_text=_("seconds of audio"))
    audit_share = models.FloatField(_("audit share"), help_text=_("share of the budget drawn at random"))
    seed = models.PositiveIntegerField(_("seed"))
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="rounds")
    project_id = models.PositiveIntegerField(_("Label Studio project"), null=True)
    label_config = models.TextField(
        _("label configuration"), blank=True, help_text=_("as it was sent to Label Studio")
    )
    shown_model = models.ForeignKey(
        ModelVersion,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text=_("whose text the open tasks show; the one that chose them when empty"),
    )
    tasks_there = models.PositiveIntegerField(
        _("tasks there"), null=True, help_text=_("how many Label Studio had when all were last listed")
    )
    unexplained = models.IntegerField(
        _("answers unexplained"), default=0, help_text=_("Label Studio's beyond ours when all were last read")
    )
    synced_until = models.DateTimeField(_("synced until"), null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    closed_at = models.DateTimeField(_("closed at"), null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("round")
        verbose_name_plural = _("rounds")
        constraints = [
            models.UniqueConstraint(fields=["collection", "number"], name="one_round_per_number"),
            models.UniqueConstraint(fields=["project_id"], name="one_round_per_project"),
            models.CheckConstraint(condition=Q(budget_seconds__gt=0), name="round_budget_positive"),
            models.CheckConstraint(
                condition=Q(audit_share__gte=0, audit_share__lte=1), name="round_audit_share"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.collection} · {self.number}"


class RoundClip(models.Model):
    """A clip chosen for a round, why, how many people are to be asked, and what came of it."""

    class Reason(models.TextChoices):
        STRATEGY = "strategy", _("chosen by the strategy")
        AUDIT = "audit", _("drawn at random")
        KNOWN = "known", _("answer known")

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("waiting")
        LABELLED = "labelled", _("labelled")
        SKIPPED = "skipped", _("skipped")
        UNINTELLIGIBLE = "unintelligible", _("unintelligible")
        RETURNED = "returned", _("returned unanswered")
        ADJUDICATE = "adjudicate", _("to be adjudicated")

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="clips")
    clip = models.ForeignKey(Clip, on_delete=models.PROTECT, related_name="round_clips")
    hypothesis = models.ForeignKey(Hypothesis, null=True, on_delete=models.SET_NULL)
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    score = models.FloatField(_("score"), help_text=_("what the strategy gave it; higher is asked first"))
    why = models.JSONField(_("why"), default=dict, help_text=_("what the strategy weighed, by name"))
    wanted = models.PositiveSmallIntegerField(_("answers wanted"), default=1)
    outcome = models.CharField(_("outcome"), max_length=15, choices=Outcome, default=Outcome.WAITING)

    class Meta:
        verbose_name = _("clip of a round")
        verbose_name_plural = _("clips of rounds")
        constraints = [
            models.UniqueConstraint(fields=["round", "clip"], name="one_place_per_clip_and_round"),
        ]
        indexes = [models.Index(fields=["round", "outcome"], name="round_clip_by_outcome")]

    def __str__(self) -> str:
        return f"{self.round_id}/{self.clip_id}"


class Annotation(models.Model):
    """One person's submission for one clip: as Label Studio last told it, or as it was typed on our own desk."""

    class Source(models.TextChoices):
        LABEL_STUDIO = "label_studio", _("Label Studio")
        DESK = "desk", _("desk")

    round_clip = models.ForeignKey(RoundClip, on_delete=models.PROTECT, related_name="annotations")
    source = models.CharField(_("source"), max_length=12, choices=Source, default=Source.LABEL_STUDIO)
    annotation_id = models.PositiveIntegerField(
        _("Label Studio annotation"), null=True, help_text=_("none where it was typed on the desk")
    )
    annotator = models.CharField(_("annotator"), max_length=150)
    text = models.TextField(_("text"), blank=True)
    was_skipped = models.BooleanField(_("skipped"), default=False)
    quality = ArrayField(models.CharField(max_length=30), verbose_name=_("quality"), default=list)
    lead_seconds = models.FloatField(_("time spent"), null=True)
    hypothesis = models.ForeignKey(Hypothesis, null=True, on_delete=models.SET_NULL)
    of_pass = models.ForeignKey(
        "annotation.Pass", null=True, on_delete=models.SET_NULL, related_name="annotations"
    )
    is_blind = models.BooleanField(_("blind"), default=False, help_text=_("started from an empty box"))
    server_seconds = models.FloatField(
        _("time since the one before"), null=True, help_text=_("between submissions, idling left out")
    )
    slips = models.JSONField(_("possible slips"), default=list)
    segments = models.JSONField(
        _("turns"), default=list, help_text=_("start, end, speaker and text each, seconds into the clip")
    )
    checked_at = models.DateTimeField(_("checked at"), null=True)
    created_at = models.DateTimeField(_("created at"))
    updated_at = models.DateTimeField(_("updated at"))
    deleted_at = models.DateTimeField(
        _("deleted at"), null=True, help_text=_("when we saw that Label Studio no longer has it")
    )

    class Meta:
        ordering = ["-updated_at"]
        verbose_name = _("annotation")
        verbose_name_plural = _("annotations")
        constraints = [
            # a Label Studio that was lost and set up anew counts from 1 again
            models.UniqueConstraint(
                fields=["round_clip", "annotation_id", "created_at"], name="one_row_per_annotation"
            ),
            models.UniqueConstraint(
                fields=["round_clip", "annotator"], condition=Q(source="desk"), name="one_desk_row_per_person"
            ),
            models.CheckConstraint(
                condition=Q(source="label_studio", annotation_id__isnull=False)
                | Q(source="desk", annotation_id__isnull=True),
                name="annotation_of_its_source",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "annotator"], name="annotation_by_day"),
            models.Index(fields=["id"], condition=Q(checked_at=None), name="annotation_unchecked"),
        ]

    def __str__(self) -> str:
        return self.text


class AnnotationTally(Tally):
    """Submissions that Label Studio still has, by who sent them; `samples` are of the clips."""

    KEYS = ("collection", "annotator")
    MADE_ANEW_BY = "annotation_recount"

    annotator = models.CharField(max_length=150)


from annotation import ml_models, review_models, routing_models  # noqa: E402, F401  Django looks for models here
