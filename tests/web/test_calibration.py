"""The page that says what a model's confidence means."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import RoundClip
from earmark.corpus.models import Clip
from earmark.jobs.models import Job
from earmark.recognition.models import ModelVersion
from tests.web import factories
from tests.web.factories import World

pytestmark = pytest.mark.django_db


def page(world: World, model: ModelVersion, *, who: str = "viewer") -> str:
    client = Client()
    client.force_login(world.people[who])
    return client.get(address(world, model)).content.decode()


def address(world: World, model: ModelVersion, name: str = "calibration") -> str:
    return reverse(f"web:{name}", args=[world.collection.slug, model.pk])


def test_a_model_without_a_calibration_says_that_its_confidence_is_a_prior(world: World) -> None:
    told = page(world, world.models[0], who="manager")
    assert "Not calibrated" in told
    assert "20 are needed" in told
    assert 'id="reliability"' not in told


def test_figures_stand_beside_those_of_the_plain_probability(world: World) -> None:
    row = factories.a_calibration(world.collection, world.models[1])
    told = page(world, world.models[1])
    for name in ("auroc", "nce"):
        assert f"{row.report['calibrated'][name]:.3f}" in told
        assert f"{row.report['max_probability'][name]:.3f}" in told
    drawn = told.split('<script id="calibration" type="application/json">')[1].split("</script>")[0]
    assert json.loads(drawn)["reliability"] == row.report["reliability"]
    assert "may be off by a lot" not in told
    assert ">Cantonese<" in told


def test_a_calibration_on_few_clips_says_so(world: World) -> None:
    factories.a_calibration(world.collection, world.models[1], clips=40)
    assert "may be off by a lot" in page(world, world.models[1])


def test_a_calibration_that_came_with_the_training_says_so(world: World) -> None:
    row = factories.a_calibration(world.collection, world.models[1], clips=40)
    assert "Dev clips" not in page(world, world.models[1])
    row.report["fitted_on"] = row.ON_DEV
    row.save()
    assert "Dev clips" in page(world, world.models[1])


def test_a_manager_has_a_model_calibrated_once_enough_is_audited(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    client.force_login(world.people["manager"])
    answer = client.post(address(world, world.models[0], "model_calibrate"), follow=True)
    assert "recognition:calibration:too_few" in answer.content.decode()
    monkeypatch.setattr("earmark.recognition.calibrating.FEWEST", 1)
    RoundClip.objects.update(reason=RoundClip.Reason.AUDIT)
    client.post(address(world, world.models[0], "model_calibrate"))
    job = Job.objects.get(kind="recognition.calibrate")
    assert job.created_by == world.people["manager"]
    assert job.arguments["clips"]


def test_a_clip_shows_what_is_calibrated_and_says_where_nothing_is(world: World) -> None:
    client = Client()
    client.force_login(world.people["viewer"])
    clip = world.clips[0]
    one = reverse("web:clip", args=[world.collection.slug, clip.pk])
    assert client.get(one).content.decode().count("not calibrated") == len(world.models)
    Clip.objects.filter(pk=clip.pk).update(confidence=0.4321, expected_error_rate=0.27)
    told = client.get(one).content.decode()
    assert "expected error rate 27%" in told
    assert "0.43" in told
    assert told.count("not calibrated") == len(world.models) - 1
    listed = client.get(reverse("web:clips", args=[world.collection.slug])).content.decode()
    assert "≈ 27%" in listed
