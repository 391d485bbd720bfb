"""A clip as the desks show it: its sound, what the champion heard word by word, what is being written about it."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework import serializers

from annotation.drafts import LONGEST
from annotation.review_models import Draft
from annotation.shown_words import shown_words
from annotation.slips import Kind, message
from earmark.corpus.audio_links import clip_url
from earmark.corpus.models import Clip
from earmark.recognition.calibrations import calibrated_words, newest
from earmark.recognition.models import Hypothesis

LINK_SECONDS = 12 * 3600.0
MOST_SECONDS = 24 * 3600.0


class ShownWord(serializers.Serializer[Any]):
    text = serializers.CharField(help_text="a word, or one Chinese character; punctuation is with it")
    before = serializers.CharField(help_text="the white space before it")
    probability = serializers.FloatField(
        allow_null=True, help_text="that it is right, 0 to 1; calibrated where the model is"
    )
    start = serializers.FloatField(allow_null=True, help_text="seconds into the clip")
    end = serializers.FloatField(allow_null=True)


class HeardOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    text = serializers.CharField()
    confidence = serializers.FloatField()
    is_calibrated = serializers.BooleanField()
    words = ShownWord(many=True)


class SlipOut(serializers.Serializer[Any]):
    kind = serializers.CharField()
    at = serializers.FloatField(help_text="seconds into the clip; where nothing is at a place, seconds spent")
    text = serializers.CharField(help_text="the words it is about")
    message = serializers.CharField(help_text="what may be wrong, in your language")
    is_place = serializers.BooleanField()


class ClipShown(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    seconds = serializers.FloatField()
    language = serializers.CharField()
    dialect = serializers.CharField()
    audio_url = serializers.CharField(help_text="signed; good for half a day, without signing in")
    peaks_url = serializers.CharField(help_text="the envelope of its waveform; signed, too")


class DraftOut(serializers.Serializer[Any]):
    text = serializers.CharField()
    opened_at = serializers.DateTimeField()
    saved_at = serializers.DateTimeField()


class DraftIn(serializers.Serializer[Any]):
    text = serializers.CharField(
        max_length=LONGEST,
        allow_blank=True,
        allow_null=True,
        trim_whitespace=False,
        default=None,
        help_text="none leaves what was saved as it is",
    )
    is_opening = serializers.BooleanField(
        default=False, help_text="the clip was shown just now: the time on it counts from here"
    )


class Spent(serializers.FloatField):
    """Seconds as a browser measured them."""

    def __init__(self, **options: Any) -> None:
        told = {"min_value": 0, "max_value": MOST_SECONDS, "required": False, "allow_null": True}
        super().__init__(help_text="on it, idling left out", **{**told, **options})


def numbers(said: str) -> Sequence[int]:
    """The ids in `1,2,3`; what is none is left out."""
    return [int(one) for one in said.split(",")[:200] if one.isdecimal() and len(one) < 10]


def clip_shown(clip: Clip) -> dict[str, Any]:
    """The clip and where its sound is, as addresses below this site."""
    signed = urlsplit(clip_url(clip.pk, lifetime_seconds=LINK_SECONDS))
    return {
        "id": clip.pk,
        "seconds": clip.seconds,
        "language": clip.language,
        "dialect": clip.dialect,
        "audio_url": f"{signed.path}?{signed.query}",
        "peaks_url": f"{reverse('corpus:clip-peaks', args=[clip.pk])}?{signed.query}",
    }


def heard_shown(clip: Clip, hypothesis: Hypothesis | None) -> dict[str, Any] | None:
    """What the model heard, word by word."""
    if hypothesis is None:
        return None
    calibration = newest(clip.collection, hypothesis.model)
    sure = calibrated_words(hypothesis, calibration) if calibration else []
    return {
        "id": hypothesis.pk,
        "text": hypothesis.text,
        "confidence": hypothesis.confidence,
        "is_calibrated": bool(sure),
        "words": [vars(word) for word in shown_words(hypothesis, sure)],
    }


def slip_shown(slip: dict[str, Any], *, is_own: bool) -> dict[str, Any]:
    """A possible slip, in the reader's language: told to who made it, or to who looks at what somebody else wrote."""
    said = message(slip)
    if slip["kind"] == Kind.LEFT_OUT and not is_own:
        said = _("“%(text)s” may be left out at %(at).1f s") % slip
    return {**slip, "message": said, "is_place": slip["kind"] != Kind.TOO_FAST}


def draft_shown(draft: Draft | None) -> dict[str, Any] | None:
    """What was saved of the person's own writing."""
    if draft is None:
        return None
    return {"text": draft.text, "opened_at": draft.opened_at, "saved_at": draft.saved_at}
