"""A project of somebody else's in a real Label Studio, set up through its own API only, with us as its ML backend."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from django.conf import settings
from django.test import override_settings
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from annotation import ml_hearing
from annotation.accounts_mapping import map_accounts
from annotation.handlers import sync_connected
from annotation.invitations import accept, invite, token_of
from annotation.label_studio import LabelStudio, client
from annotation.ml_models import ConnectedProject, OutsideAnnotation
from annotation.routing_models import Annotator
from earmark.accounts.models import Role, User
from earmark.config.environment import Environment
from earmark.corpus.audio_links import clip_url
from earmark.corpus.models import Clip, Collection, Reference, Split
from earmark.corpus.references import set_reference
from earmark.corpus.services import add_member
from earmark.jobs.models import Job, Status
from earmark.recognition import live
from earmark.recognition.models import Alias, Hypothesis, ModelVersion
from earmark.speech.audio import SAMPLE_RATE, write_flac
from earmark.speech.stub import StubEngine, heard
from tests.annotation.world import TestContext
from tests.corpus import world
from tests.recognition.world import Progress
from tests.speech.audio_files import write
from training_jobs.models import TrainingJob

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

CONFIG = '<View><Audio name="sound" value="$url"/><TextArea name="said" toName="sound"/></View>'
NOISE = (0.2 * np.random.default_rng(1).standard_normal(SAMPLE_RATE)).astype(np.float32)


@dataclass
class Place:
    """A collection with one clip that was heard, a manager with a token, and the site they all reach."""

    collection: Collection
    clip: Clip
    person: User
    token: str
    address: str


@pytest.fixture
def place(
    label_studio: Environment, live_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    write(tmp_path / "in" / "a.wav", 1.5)
    collection = world.collection()
    world.bring_in(collection, tmp_path / "in")
    model = ModelVersion.objects.create(name="tiny-1", source="nowhere")
    Alias.objects.create(collection=collection, name=Alias.Name.CHAMPION, model=model)
    clip = Clip.objects.get()
    Hypothesis.objects.create(clip=clip, model=model, text="turn on the light", confidence=0.75)
    person = User.objects.create_user("mei", "mei@example.org", "x")
    add_member(collection=collection, user=person, role=Role.MANAGER)
    monkeypatch.setattr(live, "engine_for", lambda model: StubEngine(lambda _: heard("good morning")))
    monkeypatch.setattr(ml_hearing, "listen_to", heard_at_once(ml_hearing.listen_to))
    told = replace(settings.EARMARK, site_url=live_server.url)
    with override_settings(EARMARK=told):
        token = AuthToken.objects.create(user=person)[1]
        yield Place(collection, clip, person, token, f"{live_server.url}/ml/{collection.slug}")


def heard_at_once(listen: Any) -> Any:
    """There is no worker in the tests: what is asked for is heard where it is asked."""

    def hear(**given: Any) -> Any:
        one = listen(**given)
        result = live.run_listening(Progress(), listening_id=one.pk)
        Job.objects.filter(pk=one.job_id).update(status=Status.SUCCEEDED, result=result)
        return one

    return hear


def api(method: str, path: str, **content: Any) -> httpx.Response:
    headers = {"Authorization": f"Token {settings.EARMARK.label_studio_api_key}"}
    address = settings.EARMARK.label_studio_url + path
    return httpx.request(method, address, headers=headers, timeout=110, **content)


def done(method: str, path: str, **content: Any) -> Any:
    answer = api(method, path, **content)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def connection(place: Place, project: int, **changed: Any) -> dict[str, Any]:
    return {
        "url": place.address, "project": project, "title": "Earmark", "is_interactive": False,
        "auth_method": "BASIC_AUTH", "basic_auth_user": "mei", "basic_auth_pass": place.token, **changed,
    }  # fmt: skip


@pytest.fixture
def project(place: Place) -> int:
    """A stock project with two tasks, a clip of ours and a file that Label Studio keeps, and with us as its model."""
    made = done("POST", "/api/projects/", json={"title": "their own", "label_config": CONFIG})["id"]
    refused = api("POST", "/api/ml/", json=connection(place, made, basic_auth_pass="wrong"))
    assert refused.status_code == 400
    assert "authentication" in refused.text
    done("POST", "/api/ml/", json=connection(place, made))
    link = clip_url(place.clip.pk, lifetime_seconds=600)
    done("POST", f"/api/projects/{made}/import", json=[{"url": link}])
    file = {"file": ("greeting.flac", write_flac(NOISE), "audio/flac")}
    done("POST", f"/api/projects/{made}/import", files=file)
    live_predictions = {"show_collab_predictions": True, "model_version": "Earmark"}
    done("PATCH", f"/api/projects/{made}/", json=live_predictions)
    return int(made)


def tasks_of(project: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = done("GET", "/api/tasks/", params={"project": project})["tasks"]
    return sorted(found, key=lambda one: int(one["id"]))


def test_a_stock_project_gets_live_pre_transcriptions_and_gives_labels_back(
    place: Place, project: int
) -> None:
    row = ConnectedProject.objects.get()
    assert (row.collection, row.project_id, row.connected_by) == (place.collection, project, place.person)
    ours, theirs = tasks_of(project)

    shown = [done("GET", f"/api/tasks/{one['id']}/")["predictions"] for one in (ours, theirs)]
    assert [one[0]["result"][0]["value"]["text"] for one in shown] == [
        ["turn on the light"],
        ["good morning"],
    ]
    assert [one[0]["model_version"] for one in shown] == ["tiny-1", "tiny-1"]
    assert theirs["data"]["url"].startswith("/data/upload/"), "fetched from Label Studio with our key"

    played = httpx.get(ours["data"]["url"], headers={"Range": "bytes=0-9"})
    assert (played.status_code, played.content[:4]) == (206, b"fLaC")
    assert played.headers["Access-Control-Allow-Origin"] == settings.EARMARK.label_studio_url

    for one, text in ((ours, "turn on the lights"), (theirs, "good morning all")):
        result = [{"from_name": "said", "to_name": "sound", "type": "textarea", "value": {"text": [text]}}]
        done("POST", f"/api/tasks/{one['id']}/annotations/", json={"result": result, "lead_time": 2.0})
    assert Job.objects.filter(kind="annotation.sync_connected").count() == 1, (
        "both calls arrived, without a name"
    )

    sync_connected(TestContext(), connected_id=row.pk)
    sync_connected(TestContext(), connected_id=row.pk)
    held = Reference.objects.get(clip=place.clip)
    assert (held.text, held.author, held.version) == ("turn on the lights", "admin@earmark.local", 1)
    kept = OutsideAnnotation.objects.order_by("annotation_id").values_list("text", "error_id")
    assert list(kept) == [("turn on the lights", ""), ("good morning all", "annotation:ml:event-audio")]


def test_the_training_button_launches_a_training_for_an_admin(place: Place, project: int) -> None:
    (backend,) = done("GET", "/api/ml/", params={"project": project})
    api("POST", f"/api/ml/{backend['id']}/train")
    assert not TrainingJob.objects.exists(), "a manager launches none"
    Clip.objects.update(split=Split.TRAIN)
    set_reference(clip_id=place.clip.pk, text="turn on the light", kind=Reference.Kind.IMPORTED, author="")
    add_member(collection=place.collection, user=place.person, role=Role.ADMIN)
    for _ in range(2):
        api("POST", f"/api/ml/{backend['id']}/train")
    assert TrainingJob.objects.get().created_by == place.person


def test_an_invited_person_signs_up_and_is_known(place: Place, live_server: LiveServer) -> None:
    bo = User.objects.create_user("bo", "Bo@annotators.example.org", "x")
    add_member(collection=place.collection, user=bo, role=Role.ANNOTATOR)
    made = invite(collection=place.collection, user=bo, by=place.person)
    page = f"{live_server.url}/join/{token_of(made)}/"
    assert "Bo@annotators.example.org" in httpx.get(page).text
    with client() as studio, httpx.Client() as browser:
        before = studio.invitation()
        assert not accept(made, studio), "nobody has signed up yet"
        onward = browser.get(f"{page}go/").headers["Location"]
        assert onward == f"{settings.EARMARK.label_studio_public_url}/user/signup/?token={before}"
        assert settings.EARMARK.label_studio_api_key not in onward
        sign_up(browser, onward)
        browser.get(page)
        answer = browser.post(page, data={"csrfmiddlewaretoken": browser.cookies["earmark_csrf"]})
        assert answer.status_code == 200
        assert "You are in" in answer.text
        after = studio.invitation()
        people = studio.emails()
    row = Annotator.objects.get(user=bo)
    assert row.studio_user is not None
    assert people[row.studio_user] == row.studio_email == "bo@annotators.example.org"
    assert after != before, "the token they signed up with opens nothing any more"


def sign_up(browser: httpx.Client, address: str) -> None:
    """Fill in Label Studio's form as a person does."""
    browser.get(address)
    form = {
        "email": "bo@annotators.example.org",
        "password": "a quiet room",
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
    }
    answer = browser.post(address, data=form, headers={"Referer": address})
    assert answer.is_redirect, answer.text[:500]


def test_accounts_are_found_by_address(place: Place, label_studio: Environment) -> None:
    admin = User.objects.create_user("root", "ADMIN@earmark.local", "x")
    row = Annotator.objects.create(collection=place.collection, user=admin)
    with LabelStudio(settings.EARMARK.label_studio_url, settings.EARMARK.label_studio_api_key) as studio:
        assert map_accounts(place.collection, studio) == 1
        assert map_accounts(place.collection, studio) == 0
    row.refresh_from_db()
    assert row.studio_email == "admin@earmark.local"
