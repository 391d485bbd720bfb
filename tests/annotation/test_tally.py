"""The tally of annotations says what a fresh count says."""

from collections import Counter

import pytest
from django.utils import timezone

from annotation.models import Annotation, AnnotationTally
from earmark.corpus import tallies
from earmark.speech.audio import SAMPLE_RATE
from tests.web import factories

pytestmark = pytest.mark.django_db


def agree(collection: factories.Collection) -> None:
    number: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for one in Annotation.objects.filter(deleted_at=None, round_clip__round__collection=collection):
        number[one.annotator] += 1
        samples[one.annotator] += round(one.round_clip.clip.seconds * SAMPLE_RATE)
    told = tallies.totals(AnnotationTally, "annotator", collection=collection)
    assert told == [(name, number[name], samples[name] / SAMPLE_RATE) for name in sorted(number)]


def test_whatever_label_studio_tells() -> None:
    world = factories.world(per_speaker=2)
    agree(world.collection)
    sent = Annotation.objects.order_by("pk")
    assert len(sent) > 6
    Annotation.objects.filter(pk__in=[one.pk for one in sent[:3]]).update(deleted_at=timezone.now())
    agree(world.collection)
    Annotation.objects.update(annotator="rosa")
    agree(world.collection)
    Annotation.objects.filter(pk__in=[one.pk for one in sent[2:4]]).delete()
    Annotation.objects.update(deleted_at=None)
    agree(world.collection)
    tallies.fold()
    assert AnnotationTally.objects.count() == 1
    agree(world.collection)
    AnnotationTally.objects.all().delete()
    tallies.recount()
    agree(world.collection)
