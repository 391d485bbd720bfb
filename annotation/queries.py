"""Reads: how far rounds are, who did how much when. A fixed number of queries each."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from annotation.models import Annotation, Round, RoundClip
from annotation.routing_models import Annotator, Pass, Queue
from earmark.corpus.models import Collection

Outcome = RoundClip.Outcome


@dataclass(frozen=True)
class Progress:
    """How far one round is: numbers of clips by outcome, and seconds of audio.

    `known` ones, whose answer is known already, are counted apart: they measure people and are no labels.
    """

    tasks: int = 0
    labelled: int = 0
    skipped: int = 0
    unintelligible: int = 0
    waiting: int = 0
    returned: int = 0
    adjudicate: int = 0
    known: int = 0
    seconds: float = 0.0
    labelled_seconds: float = 0.0

    @property
    def answered(self) -> int:
        """Clips that as many people answered as were wanted, whatever they said."""
        return self.labelled + self.skipped + self.unintelligible + self.adjudicate


@dataclass(frozen=True)
class Done:
    """What one annotator did on one day (UTC): seconds of audio, and of their time as browsers measured it."""

    day: date
    annotator: str
    submitted: int
    skipped: int
    seconds: float
    lead_seconds: float


@dataclass(frozen=True)
class Stuck:
    """Passes that nobody can take, and why."""

    because: str
    language: str
    dialect: str
    passes: int

    @property
    def reason(self) -> str:
        """Why, in words."""
        return str(Pass.Because(self.because).label) if self.because else ""


def progress_of(rounds: Iterable[Round]) -> dict[int, Progress]:
    """The progress of each of `rounds`, by id."""
    ids = [one.pk for one in rounds]
    asked = ~Q(reason=RoundClip.Reason.KNOWN)
    rows = (
        RoundClip.objects.filter(round__in=ids)
        .values("round_id")
        .annotate(
            tasks=Count("id", filter=asked),
            known=Count("id", filter=~asked),
            **{outcome.value: Count("id", filter=asked & Q(outcome=outcome)) for outcome in Outcome},
            seconds=Sum("clip__seconds", filter=asked, default=0.0),
            labelled_seconds=Sum("clip__seconds", filter=asked & Q(outcome=Outcome.LABELLED), default=0.0),
        )
    )
    found = {row["round_id"]: Progress(**_but(row, "round_id")) for row in rows}
    return {pk: found.get(pk, Progress()) for pk in ids}


def round_progress(round: Round) -> dict[str, Any]:
    """The progress of one round as plain values."""
    return asdict(progress_of([round])[round.pk])


def done_by_day(
    collection: Collection, *, since: datetime | None = None, round: Round | None = None
) -> list[Done]:
    """Submissions by day and annotator, oldest first; those deleted in Label Studio were still work done."""
    submissions = _submissions(collection)
    if since is not None:
        submissions = submissions.filter(created_at__gte=since)
    if round is not None:
        submissions = submissions.filter(round_clip__round=round)
    rows = (
        submissions.annotate(day=TruncDate("created_at"))
        .values("day", "annotator")
        .annotate(
            submitted=Count("id"),
            skipped=Count("id", filter=Q(was_skipped=True)),
            seconds=Sum("round_clip__clip__seconds", default=0.0),
            lead_seconds=Sum("lead_seconds", default=0.0),
        )
        .order_by("day", "annotator")
    )
    return [Done(**_but(row)) for row in rows]


def project_url(round: Round) -> str | None:
    """Where people label the round in Label Studio; None before it has a project."""
    if round.project_id is None:
        return None
    return f"{settings.EARMARK.label_studio_public_url}/projects/{round.project_id}/data?labeling=1"


def queue_url(annotator: Annotator, round: Round) -> str | None:
    """Where the annotator labels what is theirs in the round; the whole project where its clips are anybody's.

    None while there is nothing for them in Label Studio.
    """
    if round.project_id is None:
        return None
    found = Queue.objects.filter(round=round, annotator=annotator).first()
    if found is None:
        is_anybodys = not Pass.objects.filter(round=round).exclude(routing=Pass.Routing.OPEN).exists()
        return project_url(round) if is_anybodys else None
    address = settings.EARMARK.label_studio_public_url
    return f"{address}/projects/{round.project_id}/data?tab={found.view_id}&labeling=1"


def stuck(round: Round) -> list[Stuck]:
    """Waiting passes that nobody can take, by why; one query."""
    rows = (
        Pass.objects.filter(round=round, status=Pass.Status.WAITING, routing=Pass.Routing.STUCK)
        .order_by()
        .values("stuck_because", "round_clip__clip__language", "round_clip__clip__dialect")
        .annotate(passes=Count("id"))
        .order_by("-passes", "stuck_because")
    )
    return [
        Stuck(
            because=row["stuck_because"],
            language=row["round_clip__clip__language"],
            dialect=row["round_clip__clip__dialect"],
            passes=row["passes"],
        )
        for row in rows
    ]


def _submissions(collection: Collection) -> QuerySet[Annotation]:
    return Annotation.objects.filter(round_clip__round__collection=collection)


def _but(row: Mapping[str, Any], *left_out: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in left_out}
