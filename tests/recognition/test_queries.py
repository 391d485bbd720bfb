"""What was heard, read in one query each."""

import pytest

from earmark.corpus.models import Clip
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.recognition.queries import (
    confidence_histogram,
)
from tests.recognition.world import make_clip, make_collection, make_model

pytestmark = pytest.mark.django_db


def hear(clip: Clip, model: ModelVersion, confidence: float, text: str = "", *flags: str) -> Hypothesis:
    return Hypothesis.objects.create(
        clip=clip, model=model, text=text, confidence=confidence, flags=list(flags)
    )


def test_the_histogram_puts_both_ends_into_bins() -> None:
    collection, model = make_collection(), make_model()
    for level, confidence in enumerate((0.0, 0.09, 0.1, 0.55, 0.999, 1.0), start=100):
        hear(make_clip(collection, level), model, confidence)
    hear(make_clip(make_collection(), 99), model, 0.5)
    mine = Clip.objects.filter(collection=collection)
    assert confidence_histogram(mine, model, bins=10) == [2, 1, 0, 0, 0, 1, 0, 0, 0, 2]
    assert sum(confidence_histogram(mine.order_by("pk"), model)) == 6
    assert confidence_histogram(mine, make_model(), bins=3) == [0, 0, 0]
