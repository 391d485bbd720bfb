"""What annotators are shown around a clip."""

from urllib.parse import urlsplit

import pytest
from django.test import Client

from annotation.context import page_of, surroundings
from annotation.review_models import LabellingPlan
from earmark.corpus.models import Clip, Collection
from earmark.corpus.references import set_reference
from earmark.recognition.models import Alias, Hypothesis, ModelVersion
from tests.annotation.world import heard_collection
from tests.corpus import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def model() -> ModelVersion:
    return ModelVersion.objects.create(name="tiny-1", source="nowhere")


@pytest.fixture
def clips(model: ModelVersion) -> list[Clip]:
    """Five clips of one recording, heard in the order three, one, five, two, four, and one of an older cutting."""
    voices = Collection.objects.create(slug="voices", name="Voices")
    recording = world.recording(voices, seconds=60.0)
    made = {
        number: world.clip(voices, recording=recording, start=10.0 * number, seconds=4.0)
        for number in (3, 1, 5, 2, 4)
    }
    old = world.clip(voices, recording=recording, start=22.0, seconds=3.0, is_current=False)
    for number, clip in (*made.items(), (99, old)):
        Hypothesis.objects.create(clip=clip, model=model, text=f"heard {number}", confidence=0.5)
    return [made[number] for number in sorted(made)]


def test_neighbours_are_told_by_reference_or_by_what_is_heard(clips: list[Clip], model: ModelVersion) -> None:
    set_reference(clip_id=clips[0].pk, text="one it is", kind="imported", author="")
    found = surroundings(clips, model=model, lifetime_seconds=60)
    assert [(found[one.pk].before, found[one.pk].after) for one in clips] == [
        ("", "heard 2"),
        ("one it is", "heard 3"),
        ("heard 2", "heard 4"),
        ("heard 3", "heard 5"),
        ("heard 4", ""),
    ]
    assert (found[clips[1].pk].begins, found[clips[1].pk].ends) == (2.0, 6.0)


def test_the_margin_is_in_the_address(clips: list[Clip], model: ModelVersion, client: Client) -> None:
    found = surroundings(clips[:1], model=model, lifetime_seconds=60)[clips[0].pk]
    signature = urlsplit(found.audio).query.partition("sig=")[2]
    assert signature.split(".")[1] == "2000"


def test_any_number_of_clips_costs_the_same_queries(
    clips: list[Clip], model: ModelVersion, django_assert_num_queries
) -> None:
    for some in (clips[:1], clips):
        loaded = list(Clip.objects.filter(pk__in=[one.pk for one in some]).select_related("recording"))
        with django_assert_num_queries(3):
            surroundings(loaded, model=model, lifetime_seconds=60)


def test_another_recording_is_no_neighbour(model: ModelVersion) -> None:
    heard = heard_collection(3)
    model = Alias.objects.get(collection=heard).model
    found = surroundings(list(heard.clips.all()), model=model, lifetime_seconds=60)
    assert {(one.before, one.after) for one in found.values()} == {("", "")}


def test_the_page_has_turns_for_long_clips_and_the_glossary(clips: list[Clip]) -> None:
    voices = clips[0].collection
    assert page_of(voices, voices.clips.all()).has_turns is False
    Clip.objects.filter(pk=clips[0].pk).update(seconds=12.5)
    LabellingPlan.objects.create(collection=voices, glossary="Tai Po Market 大埔墟\n\n  GLM-ASR \n")
    page = page_of(voices, voices.clips.all())
    assert (page.has_turns, page.glossary) == (True, ("Tai Po Market 大埔墟", "GLM-ASR"))
