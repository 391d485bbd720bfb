"""Hearing audio over REST: give it, watch it grow, have it forgotten; nobody else ever sees it."""

from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from earmark.accounts.roles import Role
from earmark.api import listening
from earmark.corpus.models import Membership
from earmark.jobs.models import Job
from earmark.jobs.running import run
from earmark.recognition import live
from earmark.recognition.live_models import Listening
from earmark.speech.audio import SAMPLE_RATE, write_flac
from earmark.speech.stub import StubEngine, heard
from tests.api.world import World

FLAC = write_flac((0.2 * np.random.default_rng(1).standard_normal(SAMPLE_RATE)).astype(np.float32))


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "engine_for", lambda model: StubEngine(lambda _: heard("yat yi", logprob=-0.1)))


def send(world: World, name: str = "viewer", data: bytes = FLAC, **given: str) -> Any:
    audio = SimpleUploadedFile("three seven.flac", data)
    path = f"/api/v1/collections/{world.collection.slug}/listenings/"
    return world.client(name).post(path, {"audio": audio, **given}, format="multipart")


def test_audio_is_given_heard_read_and_forgotten(world: World) -> None:
    told = send(world, language="yue").json()
    assert (told["status"], told["name"], told["language"]) == ("queued", "three seven.flac", "yue")
    run(Job.objects.get(kind=live.KIND).pk)
    client, path = world.client("viewer"), f"/api/v1/listenings/{told['key']}/"
    told = client.get(path).json()
    (clip,) = told["heard"]
    assert (told["status"], told["text"], told["seconds"], told["clips"]) == ("succeeded", "yat yi", 1.0, 1)
    assert told["took_seconds"] >= 0
    assert clip["is_final"]
    assert [(word["before"], word["text"]) for word in clip["said"]["words"]] == [("", "yat"), (" ", "yi")]
    assert clip["said"]["words"][0]["probability"] == pytest.approx(0.905, abs=1e-3)
    assert client.get(f"{path}?after=1").json()["heard"] == []
    assert client.get(f"{path}?after=x").json()["text"] == "yat yi"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_nobody_else_sees_it_and_who_leaves_sees_it_no_more(world: World) -> None:
    path = f"/api/v1/listenings/{send(world).json()['key']}/"
    for name in ("admin", "superuser", "outsider"):
        assert world.client(name).get(path).status_code == 404
        assert world.client(name).delete(path).status_code == 404
    assert world.client("anonymous").get(path).status_code == 401
    assert world.client("viewer").get(path).status_code == 200
    Membership.objects.filter(user=world.people["viewer"]).delete()
    assert world.client("viewer").get(path).status_code == 404


def test_what_cannot_be_heard_says_so_with_an_id(world: World) -> None:
    told = send(world, data=b"not audio at all").json()
    run(Job.objects.get(kind=live.KIND).pk)
    told = world.client("viewer").get(f"/api/v1/listenings/{told['key']}/").json()
    assert (told["status"], told["error_id"]) == ("failed", "corpus:audio:unreadable")
    assert "three seven.flac" in told["error"]


def test_a_job_cancelled_elsewhere_takes_the_audio_along(world: World) -> None:
    send(world)
    (job,) = Job.objects.filter(kind=live.KIND)
    stored = Listening.objects.get().audio
    assert world.client("admin").post(f"/api/v1/jobs/{job.pk}/cancel/").status_code == 404
    assert world.client("viewer").post(f"/api/v1/jobs/{job.pk}/cancel/").status_code == 202
    assert not default_storage.exists(stored)


def test_what_is_too_large_is_refused_before_it_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_BYTES", 1000)
    monkeypatch.setattr(listening, "FORM_BYTES", 500)
    refused = send(world, data=b"x" * 2000)
    assert (refused.status_code, refused.json()["error_id"]) == (413, "recognition:listen:too-large")
    assert not Listening.objects.exists()


@pytest.mark.parametrize("given", [{"language": "fr"}, {"model": "none"}])
def test_what_is_not_offered_is_refused(world: World, given: dict[str, str]) -> None:
    refused = send(world, **given)
    assert (refused.status_code, refused.json()["error_id"]) == (400, "api:request:invalid")


def test_every_member_may(world: World) -> None:
    assert [send(world, role.value).status_code for role in Role] == [202] * len(Role)
    assert send(world, "outsider").status_code == 404
