"""What was heard, read in one query each."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from earmark.corpus.models import Clip
from earmark.recognition.models import Hypothesis, ModelVersion, TranscriptionFailure
from earmark.recognition.queries import (
    Hearing,
    confidence_histogram,
    flag_counts,
    hearing,
    unheard,
    with_hypothesis,
)
from tests.recognition.world import make_clip, make_collection, make_model

pytestmark = pytest.mark.django_db


def hear(clip: Clip, model: ModelVersion, confidence: float, text: str = "", *flags: str) -> Hypothesis:
    return Hypothesis.objects.create(
        clip=clip, model=model, text=text, confidence=confidence, flags=list(flags)
    )


def test_clips_come_with_what_one_model_heard_in_one_query() -> None:
    collection, model, other = make_collection(), make_model(), make_model()
    heard, silent = make_clip(collection, 100), make_clip(collection, 101)
    row = hear(heard, model, 0.7, "yes", "loop")
    hear(heard, other, 0.1, "no")
    hear(silent, other, 0.2, "no")
    with CaptureQueriesContext(connection) as queries:
        first, second = with_hypothesis(Clip.objects.order_by("pk"), model)
    assert len(queries) == 1
    assert (first.hypothesis_id, first.hypothesis_text) == (row.pk, "yes")
    assert (first.hypothesis_confidence, first.hypothesis_flags) == (0.7, ["loop"])
    assert (second.pk, second.hypothesis_text, second.hypothesis_confidence) == (silent.pk, None, None)
    least = with_hypothesis(Clip.objects.all(), model).filter(hypothesis_confidence__lt=0.9)
    assert list(least) == [first]
    assert [clip.hypothesis_text for clip in with_hypothesis(Clip.objects.all(), None)] == [None, None]


def test_the_histogram_puts_both_ends_into_bins() -> None:
    collection, model = make_collection(), make_model()
    for level, confidence in enumerate((0.0, 0.09, 0.1, 0.55, 0.999, 1.0), start=100):
        hear(make_clip(collection, level), model, confidence)
    hear(make_clip(make_collection(), 99), model, 0.5)
    mine = Clip.objects.filter(collection=collection)
    assert confidence_histogram(mine, model, bins=10) == [2, 1, 0, 0, 0, 1, 0, 0, 0, 2]
    assert sum(confidence_histogram(mine.order_by("pk"), model)) == 6
    assert confidence_histogram(mine, make_model(), bins=3) == [0, 0, 0]


def test_flags_are_counted_per_model() -> None:
    collection, model, other = make_collection(), make_model(), make_model()
    clips = [make_clip(collection, level) for level in (100, 101, 102)]
    hear(clips[0], model, 0.1, "", "loop", "empty")
    hear(clips[1], model, 0.1, "", "loop")
    hear(clips[2], model, 0.1)
    hear(clips[2], other, 0.1, "", "truncated")
    assert flag_counts(Clip.objects.all(), model) == {"loop": 2, "empty": 1}


def test_how_much_a_model_has_heard() -> None:
    collection, model = make_collection(), make_model()
    heard, broken = make_clip(collection, 100, seconds=0.5), make_clip(collection, 101, seconds=0.25)
    hear(heard, model, 0.1)
    TranscriptionFailure.objects.create(clip=broken, model=model, error_id="x:y", error="z")
    assert hearing(Clip.objects.all(), model) == Hearing(2, 1, 1, 0.75, 0.5)
    assert list(unheard(Clip.objects.all(), model)) == [broken]
