"""Reads: what has been heard in which clips, with what confidence. Quick at a million clips."""

from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    FilteredRelation,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.functions import Least

from earmark.corpus.models import Clip
from earmark.recognition.models import Hypothesis, ModelVersion


class WidthBucket(Func):
    """PostgreSQL's `width_bucket`: 1 for the first of `bins` equal bins of [low, high)."""

    function = "width_bucket"
    output_field = IntegerField()

    def __init__(self, value: Any, low: float, high: float, bins: int) -> None:
        bounds = (Value(bound, output_field=FloatField()) for bound in (low, high))
        super().__init__(value, *bounds, Value(bins, output_field=IntegerField()))


@dataclass(frozen=True)
class Hearing:
    """How much of some clips one model has heard."""

    clips: int
    heard: int
    failed: int
    seconds: float
    heard_seconds: float


def unheard(clips: QuerySet[Clip], model: ModelVersion) -> QuerySet[Clip]:
    """Those of `clips` that `model` has not heard."""
    return clips.filter(~Exists(Hypothesis.objects.filter(clip=OuterRef("pk"), model=model)))


def with_hypothesis(clips: QuerySet[Clip], model: ModelVersion | None) -> QuerySet[Clip]:
    """`clips`, each with `hypothesis_id`, `hypothesis_text`, `hypothesis_confidence`, `hypothesis_flags` by `model`.

    All four are None where `model` has not heard the clip, or for no model. One query, by one outer join; a filter
    or order on them that leaves the unheard out (`hypothesis_confidence__lt`) uses the index by confidence.
    """
    heard = FilteredRelation("hypotheses", condition=Q(hypotheses__model=model.pk if model else 0))
    return clips.annotate(heard=heard).annotate(
        hypothesis_id=F("heard__id"),
        hypothesis_text=F("heard__text"),
        hypothesis_confidence=F("heard__confidence"),
        hypothesis_flags=F("heard__flags"),
    )


def confidence_histogram(clips: QuerySet[Clip], model: ModelVersion, *, bins: int = 20) -> list[int]:
    """How many of `clips` fall into each of `bins` equal bins of [0, 1] by `model`'s confidence; 1.0 is in the last."""
    bucket = Least(WidthBucket(F("hypotheses__confidence"), 0.0, 1.0, bins), bins)
    rows = (
        clips.filter(hypotheses__model=model)
        .order_by()
        .annotate(bucket=bucket)
        .values_list("bucket")
        .annotate(clips=Count("pk"))
    )
    counts = dict(rows)
    return [counts.get(number, 0) for number in range(1, bins + 1)]


def flag_counts(clips: QuerySet[Clip], model: ModelVersion) -> dict[str, int]:
    """How many of `clips` carry each flag by `model`, the commonest first."""
    rows = (
        clips.filter(hypotheses__model=model)
        .exclude(hypotheses__flags=[])
        .order_by()
        .annotate(flag=Func(F("hypotheses__flags"), function="unnest"))
        .values_list("flag")
        .annotate(clips=Count("pk"))
        .order_by("-clips", "flag")
    )
    return dict(rows)


def hearing(clips: QuerySet[Clip], model: ModelVersion) -> Hearing:
    """How many of `clips`, and how many seconds of them, `model` has heard or failed to hear."""
    everything = clips.order_by().aggregate(clips=Count("pk"), seconds=Sum("seconds"))
    heard = (
        clips.filter(hypotheses__model=model).order_by().aggregate(clips=Count("pk"), seconds=Sum("seconds"))
    )
    return Hearing(
        clips=everything["clips"],
        heard=heard["clips"],
        failed=clips.filter(transcription_failures__model=model).count(),
        seconds=everything["seconds"] or 0.0,
        heard_seconds=heard["seconds"] or 0.0,
    )
