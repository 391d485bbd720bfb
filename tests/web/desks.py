"""Clips that wait on the desks, with sound behind them, in a collection of the pages' tests."""

import math
from datetime import timedelta

import numpy as np
from django.core.files.base import ContentFile
from django.utils import timezone

from annotation.models import Annotation, Round, RoundClip
from annotation.review_models import ReviewRequest
from annotation.review_queue import DISAGREE
from annotation.routing_models import Annotator, Pass, Queue
from earmark.corpus.models import Clip
from earmark.recognition.models import Hypothesis, HypothesisDetails
from earmark.speech.audio import SAMPLE_RATE, write_flac
from tests.web.factories import World

TEXTS = {
    "en": ("turn the kitchen light off please", "turn the kitchen lights of please", "turn kitchen light off, please"),
    "zh": ("请把客厅的灯关掉好吗", "请把客厅的登关掉吗", "请把客厅的灯关掉，好吗"),
}  # fmt: skip
SECONDS = 3.0
PEOPLE = ("mei@example.org", "kwok@example.org")


def speech() -> bytes:
    """Three seconds that look like speech: bursts of a tone with pauses."""
    t = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    beat = np.clip(np.sin(2 * math.pi * 2.1 * t) + 0.4 * np.sin(2 * math.pi * 5.3 * t), 0, None)
    wave = 0.3 * beat * np.sin(2 * math.pi * (190 + 60 * np.sin(2 * math.pi * t)) * t)
    return write_flac(wave.astype(np.float32))


def waiting_for_review(world: World, number: int, *, language: str = "en") -> list[RoundClip]:
    """`number` clips of one open round, each with two answers that disagree, the first with a possible slip."""
    true, second, heard = TEXTS[language]
    row = a_round(world, 50)
    annotators = [annotator(world, name) for name in ("annotator", "reviewer")]
    flac, rows = speech(), []
    now = timezone.now() - timedelta(minutes=5)
    for place in range(number):
        clip = a_clip(world, place, language, flac)
        hypothesis = hear(world, clip, heard)
        made = RoundClip.objects.create(
            round=row, clip=clip, hypothesis=hypothesis, reason="strategy", score=1 - place / 1000,
            why={"expected_errors": 2.4, "rank": 3.0, "cluster": 7.0, "clips_alike": 41.0}, wanted=2, outcome=DISAGREE,
        )  # fmt: skip
        for index, text in enumerate((true, second)):
            asked = Pass.objects.create(
                round=row, round_clip=made, number=index + 1, status=Pass.Status.DONE, annotator=annotators[index],
                routing=Pass.Routing.ASSIGNED,
            )  # fmt: skip
            slips = (
                [{"kind": "left_out", "at": 1.62, "text": "好" if language == "zh" else "off"}]
                if index
                else []
            )
            Annotation.objects.create(
                round_clip=made, annotation_id=10 * place + index, annotator=PEOPLE[index],
                text=text, of_pass=asked, is_blind=bool(index), lead_seconds=8.0, slips=slips,
                created_at=now, updated_at=now,
            )  # fmt: skip
        rows.append(made)
    return rows


def waiting_for_annotator(world: World, number: int, *, language: str = "en") -> list[Pass]:
    """`number` passes assigned to the person `annotator`; the second was returned to them."""
    row = a_round(world, 60)
    Round.objects.filter(collection=world.collection, number__lt=10).update(status=Round.Status.CLOSED)
    who = annotator(world, "annotator")
    Queue.objects.get_or_create(round=row, annotator=who, view_id=7, address="annotator@example.org")
    flac, passes = speech(), []
    for place in range(number):
        clip = a_clip(world, 1000 + place, language, flac)
        made = RoundClip.objects.create(
            round=row,
            clip=clip,
            hypothesis=hear(world, clip, TEXTS[language][2]),
            reason="strategy",
            score=1.0,
        )
        passes.append(
            Pass.objects.create(
                round=row, round_clip=made, number=1, annotator=who, routing=Pass.Routing.ASSIGNED, place=place,
                is_blind=place == 2,
            )
        )  # fmt: skip
    if number > 1:
        Pass.objects.filter(pk=passes[1].pk).update(
            returned_code="missing_words", returned_note="the last word", returned_at=timezone.now()
        )
    return passes


def requested(world: World, rows: list[RoundClip]) -> None:
    """Have some of the clips looked at again."""
    for one in rows:
        ReviewRequest.objects.create(collection=world.collection, round_clip=one, reason="slips", weight=0.5)


def annotator(world: World, name: str) -> Annotator:
    found, _ = Annotator.objects.get_or_create(
        collection=world.collection, user=world.people[name], defaults={"daily_seconds": 30.0}
    )
    return found


def a_round(world: World, number: int) -> Round:
    found, _ = Round.objects.get_or_create(
        collection=world.collection, number=number,
        defaults={
            "strategy": "annotation.acquisition.random", "status": Round.Status.OPEN, "budget_seconds": 600,
            "audit_share": 0.1, "seed": 1, "model": world.models[1], "project_id": 9000 + number,
        },
    )  # fmt: skip
    return found


def a_clip(world: World, place: int, language: str, flac: bytes) -> Clip:
    """A clip with a stretch of its own in a recording that all share."""
    recording = world.clips[0].recording
    if not recording.file.storage.exists(recording.file.name):
        recording.file.save("shared.flac", ContentFile(flac))
        recording.seconds = SECONDS
        recording.save()
    return Clip.objects.create(
        collection=world.collection, recording=recording, speaker=world.clips[0].speaker, start=0.0,
        seconds=SECONDS - place / 10_000, language=language, dialect="scottish" if language == "en" else "mandarin",
        split="train", state=Clip.State.IN_ROUND,
    )  # fmt: skip


def hear(world: World, clip: Clip, text: str) -> Hypothesis:
    """What the champion heard, each word with its time and how sure it is."""
    made = Hypothesis.objects.create(clip=clip, model=world.models[1], text=text, confidence=0.6)
    words = text.replace(",", "").split() if " " in text else list(text.replace("，", ""))
    length = SECONDS / len(words)
    sure = (-0.02, -0.6, -0.05, -1.4, -0.2)
    split = [f" {word}" if place else word for place, word in enumerate(text.split(" "))]
    pieces = split if " " in text else list(text)
    HypothesisDetails.objects.create(
        hypothesis=made,
        tokens=[[piece, sure[place % 5], 0.3] for place, piece in enumerate(pieces)],
        words=[
            [word, round(place * length, 2), round((place + 0.9) * length, 2), 0.9]
            for place, word in enumerate(words)
        ],
    )
    return made
