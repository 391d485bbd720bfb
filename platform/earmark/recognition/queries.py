"""Reads: what has been heard in which clips, with what confidence. Quick at a million clips."""

from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    QuerySet,
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


def unheard(clips: QuerySet[Clip], model: ModelVersion) -> QuerySet[Clip]:
    """Those of `clips` that `model` has not heard."""
    return clips.filter(~Exists(Hypothesis.objects.filter(clip=OuterRef("pk"), model=model)))


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
