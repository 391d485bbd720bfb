"""Rounds and what came back from people."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Avg, Count, F, FloatField, Max, Q, QuerySet, Sum
from django.db.models.aggregates import Aggregate

from annotation.models import Annotation, Round, RoundClip
from annotation.project import UNINTELLIGIBLE
from annotation.queries import Progress
from earmark.corpus.models import Collection

SHOWN = ("labelled", "unintelligible", "skipped", "adjudicate", "returned", "waiting")
"""Outcomes of a round's clips, in the order they are drawn."""


class Median(Aggregate):
    """The middle value; nulls are left out."""

    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True)
class Part:
    """A share of something drawn as a bar: `amount` of the kind `key`."""

    key: str
    label: str
    amount: int
    seconds: float | None = None


@dataclass(frozen=True)
class Annotator:
    """What one person sent back in a round; `typical_seconds` is the median time for one clip."""

    name: str
    submitted: int
    skipped: int
    unintelligible: int
    corrected: int
    typical_seconds: float | None
    audio_seconds: float
    last: object

    @property
    def corrected_share(self) -> float | None:
        """Share of the transcribed clips whose text is not what the recogniser heard."""
        transcribed = self.submitted - self.skipped - self.unintelligible
        return self.corrected / transcribed if transcribed else None


def parts_of(progress: Progress) -> list[Part]:
    """A round's clips by outcome."""
    labels = dict(RoundClip.Outcome.choices)
    return [Part(key, str(labels[key]), getattr(progress, key)) for key in SHOWN]


def reasons(one: Round) -> dict[str, int]:
    """How many clips the strategy chose, and how many chance did."""
    return dict(one.clips.values_list("reason").annotate(n=Count("id")).order_by("reason"))


def annotators(one: Round) -> list[Annotator]:
    """What each person sent back, the busiest first; one query."""
    unintelligible = Q(quality__contains=[UNINTELLIGIBLE])
    rows: Any = (
        Annotation.objects.filter(round_clip__round=one, deleted_at=None)
        .values("annotator")
        .annotate(
            submitted=Count("id"),
            skipped=Count("id", filter=Q(was_skipped=True) & ~unintelligible),
            unintelligible=Count("id", filter=unintelligible),
            corrected=Count(
                "id",
                filter=Q(was_skipped=False) & ~unintelligible & ~Q(text=F("round_clip__hypothesis__text")),
            ),
            typical_seconds=Median("lead_seconds"),
            audio_seconds=Sum("round_clip__clip__seconds"),
            last=Max("updated_at"),
        )
        .order_by("-submitted", "annotator")
    )
    return [Annotator(name=row.pop("annotator"), **row) for row in rows]


def newest_annotations(one: Round, limit: int = 12) -> QuerySet[Annotation]:
    """The latest submissions with the clip and what it started from."""
    return Annotation.objects.filter(round_clip__round=one, deleted_at=None).select_related(
        "round_clip__clip", "round_clip__hypothesis"
    )[:limit]


def asked_first(one: Round, limit: int = 12) -> list[RoundClip]:
    """The clips of a round that come first in its order, each with what the strategy weighed."""
    return list(one.clips.select_related("clip", "hypothesis").order_by("-score", "pk")[:limit])


def rounds_of(collection: Collection, limit: int = 100) -> list[Round]:
    """The newest rounds."""
    return list(collection.rounds.select_related("model", "created_by")[:limit])


def average_confidence(one: Round) -> float | None:
    """Mean confidence of what was chosen, when it was chosen."""
    result: float | None = one.clips.aggregate(mean=Avg("hypothesis__confidence"))["mean"]
    return result
