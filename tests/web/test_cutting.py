"""The pages of the quality gate and of cutting anew: what they foresee, what they do."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from earmark.accounts.models import User
from earmark.corpus.models import Clip, Segmentation
from earmark.jobs.models import Job, Status
from earmark.jobs.running import run
from earmark.speech.segmentation import SegmentationSettings
from tests.web.factories import World

pytestmark = pytest.mark.django_db
CUT = {name: str(value) for name, value in SegmentationSettings().to_json().items()}


@pytest.fixture
def manager(world: World, signed_in: Callable[[User | None], Client]) -> Client:
    """A manager's browser; of the forty clips every fourth is noisy."""
    measured = {"speech_seconds": 1.0, "silence_share": 0.2, "clipped_share": 0.0}
    world.collection.clips.update(**measured, bandwidth_hz=7000.0, loudness_lufs=-23.0, snr_db=25.0)
    Clip.objects.filter(pk__in=[clip.pk for clip in world.clips[::4]]).update(snr_db=4.0)
    return signed_in(world.people["manager"])


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_the_gate_is_foreseen_applied_and_told(world: World, manager: Client) -> None:
    assert len(world.clips) == 40
    seen = text_of(manager.get("/c/harbour/gate/preview/", {"least_snr_db": "10"}))
    assert "10 miss it" in seen
    assert "Of 40 clips, each looked at." in seen
    assert manager.post("/c/harbour/gate/", {"least_snr_db": "10"}).status_code == 302
    job = Job.objects.get(kind="corpus.judge")
    assert 'hx-trigger="every 2s"' in text_of(manager.get("/c/harbour/gate/"))
    assert run(job.pk) == Status.SUCCEEDED
    page = text_of(manager.get("/c/harbour/gate/"))
    assert "40 clips were judged; 10 turned." in page
    assert 'name="least_snr_db" value="10.0"' in page
    assert world.collection.clips.filter(unfit="noisy").count() == 10
    manager.post("/c/harbour/gate/", {"least_snr_db": ""})
    world.collection.refresh_from_db()
    assert world.collection.gate == {}


def test_a_threshold_out_of_range_is_told_with_its_id_and_changes_nothing(
    world: World, manager: Client
) -> None:
    for answer in (
        manager.get("/c/harbour/gate/preview/", {"most_silence_share": "7"}),
        manager.post("/c/harbour/gate/", {"most_silence_share": "7"}),
    ):
        assert "corpus:gate:threshold" in text_of(answer)
    assert "Give numbers." in text_of(manager.get("/c/harbour/gate/preview/", {"least_snr_db": "loud"}))
    assert not Job.objects.filter(kind="corpus.judge").exists()


def test_cutting_anew_says_what_stays_and_makes_a_generation(world: World, manager: Client) -> None:
    texts = world.collection.clips.filter(references__is_current=True).distinct().count()
    page = text_of(manager.get("/c/harbour/recut/"))
    assert f"<dt>Stay: they have a text</dt><dd>{texts}</dd>" in page
    assert manager.post("/c/harbour/recut/", {**CUT, "longest": "20"}).status_code == 302
    made = Segmentation.objects.get(collection=world.collection)
    assert made.parameters["longest"] == 20
    page = text_of(manager.get("/c/harbour/recut/"))
    assert 'name="longest" value="20.0"' in page
    assert 'hx-trigger="every 2s"' in page
    run(Job.objects.get(kind="corpus.resegment").pk)
    page = text_of(manager.get("/c/harbour/recut/"))
    assert "corpus:audio:missing" in page  # this collection has rows and no files
    assert "0 recordings were cut." in page


def test_settings_that_make_no_sense_are_told_with_their_id(world: World, manager: Client) -> None:
    answer = manager.post("/c/harbour/recut/", {**CUT, "longest": "2", "shortest": "5"})
    assert "corpus:segmentation:value" in text_of(answer)
    assert not Segmentation.objects.exists()
