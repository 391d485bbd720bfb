"""Reads: what has been heard in which clips. Quick at a million clips."""

from django.db.models import Exists, OuterRef, QuerySet

from earmark.corpus.models import Clip
from earmark.recognition.models import Hypothesis, ModelVersion


def unheard(clips: QuerySet[Clip], model: ModelVersion) -> QuerySet[Clip]:
    """Those of `clips` that `model` has not heard."""
    return clips.filter(~Exists(Hypothesis.objects.filter(clip=OuterRef("pk"), model=model)))
