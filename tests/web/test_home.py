"""What the home page counts off the tallies is what there is."""

from datetime import UTC, datetime, timedelta

import pytest

from earmark.corpus.models import Clip, Reference
from earmark.recognition.models import TranscriptionFailure
from earmark.web.queries.home import labelled_since, situation
from tests.web.factories import World
from training_jobs.models import TrainingJob

pytestmark = pytest.mark.django_db


def test_labelled_since_counts_to_the_second(world: World) -> None:
    noon = datetime(2026, 3, 4, 12, tzinfo=UTC)
    TrainingJob.objects.filter(pk=world.training.pk).update(created_at=noon)
    world.training.refresh_from_db()
    Reference.objects.all().delete()
    train = [clip for clip in world.clips if clip.split == "train"][:8]
    moments = (
        -timedelta(days=1),
        -timedelta(seconds=1),
        timedelta(seconds=1),
        timedelta(hours=11),
        timedelta(days=1),
    )
    for number, moment in enumerate(moments):
        made = Reference.objects.create(clip=train[number], version=1, text="x", kind="annotator")
        Reference.objects.filter(pk=made.pk).update(created_at=noon + moment)
    late = noon + timedelta(days=2)
    test = next(clip for clip in world.clips if clip.split == "test")
    for clip, kind, is_current in (
        (train[5], "imported", True),
        (train[6], "annotator", False),
        (test, "annotator", True),
    ):
        made = Reference.objects.create(clip=clip, version=1, text="x", kind=kind, is_current=is_current)
        Reference.objects.filter(pk=made.pk).update(created_at=late)
    seconds = [clip.seconds for clip in train]
    assert labelled_since(world.collection, world.training) == pytest.approx(sum(seconds[2:5]), abs=1e-3)
    assert labelled_since(world.collection, None) == pytest.approx(sum(seconds[:5]), abs=1e-3)


def test_unheard_is_what_a_transcription_would_hear(world: World) -> None:
    assert situation(world.collection).unheard == 0
    train = [clip.pk for clip in world.clips if clip.split == "train"][:5]
    Clip.objects.filter(pk__in=train).update(state="new")
    Clip.objects.filter(pk=train[0]).update(is_fit=False)
    Clip.objects.filter(pk=train[1]).update(is_current=False)
    TranscriptionFailure.objects.create(clip_id=train[2], model=world.models[1], error_id="a:b:c", error="x")
    assert situation(world.collection).unheard == 2


def test_recordings_references_and_people_are_counted(world: World) -> None:
    now = situation(world.collection)
    assert now.turn.recordings == world.collection.recordings.count()
    assert now.recorded_seconds == pytest.approx(
        sum(world.collection.recordings.values_list("seconds", flat=True)), abs=1e-3
    )
    held = Reference.objects.filter(clip__collection=world.collection, is_current=True)
    assert str(now.references) == str(held.count())
    assert now.annotators == 3
