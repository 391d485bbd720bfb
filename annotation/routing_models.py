"""Who can label what, who is asked, and one asking of one person: a pass."""

from datetime import date

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from earmark.corpus.models import Collection


class Annotator(models.Model):
    """A person who labels in a collection: what they understand, how much a day, when they are away."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="annotators")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="labels_in")
    languages = ArrayField(
        models.CharField(max_length=10), verbose_name=_("languages"), default=list, blank=True
    )
    dialects = ArrayField(
        models.CharField(max_length=60),
        verbose_name=_("dialects"),
        default=list,
        blank=True,
        help_text=_("only these dialects; all of their languages' when empty"),
    )
    daily_seconds = models.FloatField(
        _("daily target"), default=1800.0, help_text=_("seconds of audio a day, 0 for nothing")
    )
    is_active = models.BooleanField(_("active"), default=True)
    away_from = models.DateField(_("away from"), null=True, blank=True)
    away_until = models.DateField(_("away until"), null=True, blank=True, help_text=_("the last day away"))
    studio_user = models.PositiveIntegerField(_("Label Studio user"), null=True, blank=True)
    studio_email = models.EmailField(_("Label Studio address"), blank=True)

    class Meta:
        ordering = ["user__username"]
        verbose_name = _("annotator")
        verbose_name_plural = _("annotators")
        constraints = [
            models.UniqueConstraint(fields=["collection", "user"], name="one_annotator_per_person"),
            models.CheckConstraint(condition=Q(daily_seconds__gte=0), name="annotator_target_not_negative"),
            models.UniqueConstraint(
                fields=["collection", "studio_user"], name="one_annotator_per_studio_user"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.collection}"

    @property
    def address(self) -> str:
        """By which Label Studio knows them: as they signed up there, else as they are registered here."""
        return self.studio_email or self.user.email

    def is_here(self, day: date) -> bool:
        """Whether they may be given work on that day."""
        begun = self.away_from is None or day >= self.away_from
        over = self.away_until is not None and day > self.away_until
        is_away = (self.away_from or self.away_until) is not None and begun and not over
        return self.is_active and not is_away


class RoutingRule(models.Model):
    """For which clips who is asked, and how many of them. The first rule in order that fits a clip holds."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="routing_rules")
    position = models.PositiveSmallIntegerField(_("position"))
    name = models.CharField(_("name"), max_length=80)
    is_active = models.BooleanField(_("active"), default=True)
    languages = ArrayField(
        models.CharField(max_length=10), verbose_name=_("languages"), default=list, blank=True
    )
    dialects = ArrayField(
        models.CharField(max_length=60), verbose_name=_("dialects"), default=list, blank=True
    )
    least_error = models.FloatField(_("expected error rate from"), null=True, blank=True)
    most_error = models.FloatField(_("expected error rate to"), null=True, blank=True)
    share = models.FloatField(
        _("share"), default=1.0, help_text=_("of the clips that fit, drawn at random; the rest goes on")
    )
    people = models.PositiveSmallIntegerField(_("people"), default=1, help_text=_("asked independently"))
    is_blind = models.BooleanField(
        _("blind"), default=False, help_text=_("everyone after the first starts from an empty box")
    )
    annotators = models.ManyToManyField(
        Annotator,
        blank=True,
        related_name="rules",
        verbose_name=_("annotators"),
        help_text=_("only these; everyone who knows the language when empty"),
    )

    class Meta:
        ordering = ["position", "pk"]
        verbose_name = _("routing rule")
        verbose_name_plural = _("routing rules")
        constraints = [
            models.CheckConstraint(condition=Q(share__gt=0, share__lte=1), name="rule_share"),
            models.CheckConstraint(condition=Q(people__gte=1, people__lte=9), name="rule_people"),
        ]

    def __str__(self) -> str:
        return self.name


class Pass(models.Model):
    """One asking of one person about one clip of a round: a task of its own in Label Studio.

    Several passes over a clip are independent: none shows what another says. `annotator` is empty where anybody may
    take it, and where nobody can (`stuck`, and why). `task_id` is that of the task Label Studio has for it now.
    """

    class Routing(models.TextChoices):
        OPEN = "open", _("anyone may take it")
        ASSIGNED = "assigned", _("assigned")
        STUCK = "stuck", _("nobody can take it")

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("done")
        WITHDRAWN = "withdrawn", _("withdrawn")

    class Because(models.TextChoices):
        LANGUAGE = "language", _("nobody knows the language")
        DIALECT = "dialect", _("nobody takes the dialect")
        RULE = "rule", _("nobody whom the rule names can take it")
        AWAY = "away", _("who could take it is away or not active")
        PEOPLE = "people", _("everybody who could take it is asked already")

    round = models.ForeignKey("annotation.Round", on_delete=models.CASCADE, related_name="passes")
    round_clip = models.ForeignKey("annotation.RoundClip", on_delete=models.CASCADE, related_name="passes")
    number = models.PositiveSmallIntegerField(_("number"), help_text=_("counted from 1"))
    is_blind = models.BooleanField(_("blind"), default=False)
    routing = models.CharField(_("routing"), max_length=10, choices=Routing, default=Routing.OPEN)
    annotator = models.ForeignKey(
        Annotator, null=True, blank=True, on_delete=models.SET_NULL, related_name="passes"
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING)
    stuck_because = models.CharField(_("stuck because"), max_length=10, choices=Because, blank=True)
    place = models.FloatField(_("place"), default=0.0, help_text=_("in the queue; the lowest is asked first"))
    task_id = models.PositiveIntegerField(_("Label Studio task"), null=True)
    returned_code = models.CharField(_("returned because"), max_length=30, blank=True)
    returned_note = models.TextField(_("note"), blank=True)
    returned_at = models.DateTimeField(_("returned at"), null=True)
    done_at = models.DateTimeField(_("done at"), null=True)

    class Meta:
        ordering = ["place", "pk"]
        verbose_name = _("pass")
        verbose_name_plural = _("passes")
        constraints = [
            models.UniqueConstraint(fields=["round_clip", "number"], name="one_pass_per_number"),
            models.UniqueConstraint(fields=["round", "task_id"], name="one_pass_per_task"),
            models.UniqueConstraint(
                fields=["round_clip", "annotator"], name="one_pass_per_annotator_and_clip"
            ),
        ]
        indexes = [
            models.Index(fields=["annotator", "status", "place"], name="pass_by_queue"),
            models.Index(fields=["round", "status", "routing"], name="pass_by_round"),
        ]

    def __str__(self) -> str:
        return f"{self.round_clip_id}#{self.number}"


class Queue(models.Model):
    """The view in which Label Studio serves somebody the tasks of a round that are for them, in our order."""

    round = models.ForeignKey("annotation.Round", on_delete=models.CASCADE, related_name="queues")
    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="queues")
    view_id = models.PositiveIntegerField(_("Label Studio view"))
    address = models.EmailField(_("address"), help_text=_("whose tasks the view shows"))

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        constraints = [
            models.UniqueConstraint(fields=["round", "annotator"], name="one_queue_per_round_and_annotator")
        ]

    def __str__(self) -> str:
        return f"{self.round_id}: {self.address}"
