"""A transcription listens again only to what is in doubt, and only within what it is allowed."""

from dataclasses import replace

import pytest
from django.conf import settings as django_settings

from earmark.recognition.models import Hypothesis
from earmark.recognition.transcription import transcribe
from earmark.speech.engine import Heard
from earmark.speech.stub import heard
from tests.recognition.world import Listener, Progress, level_of, make_clip, make_collection, make_model

pytestmark = pytest.mark.django_db
DOUBTFUL, SURE = 600, 601


def answer(samples) -> Heard:  # type: ignore[no-untyped-def]
    """Sure of one level, in doubt about the other; perturbed copies have neither."""
    if level_of(samples) >= SURE:
        return heard("sure", logprob=-0.001, entropy=0.001)
    return heard("so" if level_of(samples) == DOUBTFUL else "no", logprob=-0.15, entropy=0.3)


def disagreement(settings, share: float) -> dict[str, float | None]:  # type: ignore[no-untyped-def]
    settings.EARMARK = replace(django_settings.EARMARK, agreement_share=share)
    collection, model = make_collection(), make_model()
    for level in (DOUBTFUL, *range(SURE, SURE + 3)):
        make_clip(collection, level)
    transcribe(Progress(), clips=collection.clips.all(), model=model, engine=Listener(answer))
    rows = Hypothesis.objects.filter(model=model).values_list("text", "features")
    return {text: features.get("disagreement") for text, features in rows}


def test_only_the_doubtful_clip_is_heard_again(settings) -> None:  # type: ignore[no-untyped-def]
    found = disagreement(settings, 1.0)
    assert found["sure"] is None
    assert found["so"] is not None
    assert found["so"] > 0


def test_nothing_is_heard_again_beyond_the_share_or_without_one(settings) -> None:  # type: ignore[no-untyped-def]
    assert disagreement(settings, 0.1) == {"sure": None, "so": None}
    assert disagreement(settings, 0.0) == {"sure": None, "so": None}
