"""The addresses that Label Studio calls when a project has us as its ML backend."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, override_settings
from knox.models import AuthToken

from annotation import ml_hearing
from annotation.ml_backend import read_config
from annotation.ml_models import ConnectedProject, OutsideAnnotation
from annotation.review_models import Incident
from earmark.accounts.models import AuditEntry
from earmark.accounts.roles import Role
from earmark.api import ml_backend
from earmark.corpus.audio_links import clip_url
from earmark.corpus.models import Clip, Reference
from earmark.jobs.models import Job, Status
from earmark.recognition import live
from earmark.recognition.live_models import Listening
from earmark.recognition.models import Hypothesis
from earmark.speech.audio import SAMPLE_RATE, write_flac
from earmark.speech.errors import EarmarkError
from earmark.speech.stub import StubEngine, heard
from tests.api.world import World
from tests.recognition.world import Progress
from training_jobs.models import TrainingJob

FLAC = write_flac((0.2 * np.random.default_rng(1).standard_normal(SAMPLE_RATE)).astype(np.float32))
CONFIG = '<View><Audio name="a" value="$sound"/><TextArea name="t" toName="a"/></View>'
ELSEWHERE = "https://label.elsewhere.org"
MOMENT = "2026-11-30T12:00:00Z"


@pytest.fixture
def tokens(world: World) -> dict[str, str]:
    return {name: AuthToken.objects.create(user=person)[1] for name, person in world.people.items()}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be heard is heard by the stub as soon as it is asked for."""
    monkeypatch.setattr(live, "engine_for", lambda model: StubEngine(lambda _: heard("yat yi", logprob=-0.1)))
    listen = ml_hearing.listen_to

    def hear(**given: Any) -> Listening:
        one = listen(**given)
        try:
            result = live.run_listening(Progress(), listening_id=one.pk)
            ended: dict[str, Any] = {"status": Status.SUCCEEDED, "result": result}
        except EarmarkError as error:
            ended = {"status": Status.FAILED, "error_id": error.error_id, "error": str(error)}
        Job.objects.filter(pk=one.job_id).update(**ended)
        return one

    monkeypatch.setattr(ml_hearing, "listen_to", hear)


@pytest.fixture
def media() -> Iterator[str]:
    """A server of audio that an admin named; /missing is not there."""
    asked: list[str] = []

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = {"/a.flac": FLAC, "/page": b"<html>"}.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    Thread(target=server.serve_forever, daemon=True).start()
    place = f"127.0.0.1:{server.server_port}"
    with override_settings(EARMARK=replace(settings.EARMARK, audio_hosts=(place,))):
        yield f"http://{place}"
    server.shutdown()
    server.server_close()


def basic(name: str, token: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{name}:{token}'.encode()).decode()}"}


def call(
    world: World, to: str, body: Any = None, *, by: str = "", token: str = "", slug: str = ""
) -> HttpResponse:
    headers = basic(by, token) if by else {}
    path = f"/ml/{slug or world.collection.slug}/{to}"
    if body is None:
        return Client().get(path, headers=headers)
    return Client().post(path, body, content_type="application/json", headers=headers)


def ask(world: World, tokens: dict[str, str], *addresses: str, config: str = CONFIG, **params: Any) -> Any:
    tasks = [{"id": n, "project": 1, "data": {"sound": one}} for n, one in enumerate(addresses)]
    body = {"tasks": tasks, "project": "1.17", "label_config": config, "params": params}
    answer = call(world, "predict", body, by="annotator", token=tokens["annotator"])
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


SETUP = {"project": "5.1764", "schema": CONFIG, "hostname": ELSEWHERE, "access_token": "their-key"}
TABLE = [
    ("health", None, Role.ANNOTATOR, 200),
    ("setup", SETUP, Role.ANNOTATOR, 200),
    ("predict", {"tasks": [], "label_config": CONFIG}, Role.ANNOTATOR, 200),
    ("job_status", {"job": "0"}, Role.ANNOTATOR, 404),
    ("webhook", {"action": "START_TRAINING"}, Role.ADMIN, 201),
]


def test_every_address_against_every_role(world: World, tokens: dict[str, str]) -> None:
    wrong = []
    for to, body, needs, answers in TABLE:
        expected = {"outsider": 404, **{role.value: answers if role.covers(needs) else 403 for role in Role}}
        got = {name: call(world, to, body, by=name, token=tokens[name]).status_code for name in expected}
        if got != expected:
            wrong.append((to, got, expected))
        assert call(world, to, body).status_code == 401, to
    assert wrong == []
    assert call(world, "setup", by="annotator", token=tokens["annotator"]).status_code == 405


def test_name_and_token_belong_together(world: World, tokens: dict[str, str]) -> None:
    refused = [
        basic("annotator", tokens["admin"]), basic("admin", "guessed"), basic("", tokens["admin"]),
        {"Authorization": "Basic !!!"}, {"Authorization": f"Token {tokens['admin']}"}, {"Authorization": "Basic"},
        basic("nobody", "x"),
    ]  # fmt: skip
    for headers in refused:
        answer = Client().get(f"/ml/{world.collection.slug}/health", headers=headers)
        assert answer.status_code == 401, headers
        assert answer["WWW-Authenticate"].startswith("Basic")
    kept = Incident.objects.get(error_id="annotation:ml:sign-in")
    assert (kept.collection, kept.times) == (world.collection, len(refused))


def test_an_expired_token_and_a_closed_account_open_nothing(world: World) -> None:
    old = AuthToken.objects.create(user=world.people["admin"], expiry=timedelta(seconds=-1))[1]
    assert call(world, "health", by="admin", token=old).status_code == 401
    token = AuthToken.objects.create(user=world.people["reviewer"])[1]
    world.people["reviewer"].is_active = False
    world.people["reviewer"].save()
    assert call(world, "health", by="reviewer", token=token).status_code == 401


def test_who_guesses_is_shut_out_for_a_while(world: World, tokens: dict[str, str]) -> None:
    for _ in range(8):
        assert call(world, "health", by="admin", token="guess").status_code == 401
    assert call(world, "health", by="admin", token=tokens["admin"]).status_code == 429


def test_a_project_is_connected_and_its_key_forgotten(world: World, tokens: dict[str, str]) -> None:
    for _ in range(2):
        told = call(world, "setup", SETUP, by="reviewer", token=tokens["reviewer"]).json()
    assert told == {"model_version": world.model.name}
    row = ConnectedProject.objects.get()
    assert (row.host, row.project_id, row.connected_by) == (ELSEWHERE, 5, world.people["reviewer"])
    assert "their-key" not in str(list(ConnectedProject.objects.values()))
    call(world, "setup", SETUP, by="annotator", token=tokens["annotator"])
    row.refresh_from_db()
    assert row.connected_by == world.people["reviewer"], (
        "who may less speaks for no project that is connected"
    )


def test_a_clip_that_was_heard_is_answered_from_the_database(world: World, tokens: dict[str, str]) -> None:
    clip = world.clips[1]
    (told,) = ask(world, tokens, clip_url(clip.pk, lifetime_seconds=60))
    assert told["result"][0]["value"] == {"text": ["yat yi saam"]}
    assert told["model_version"] == world.model.name
    assert told["score"] == pytest.approx(Hypothesis.objects.get(clip=clip).confidence, abs=1e-3)
    assert not Listening.objects.exists()


def test_audio_of_a_named_server_is_heard_once(world: World, tokens: dict[str, str], media: str) -> None:
    for _ in range(2):
        first, second = ask(world, tokens, f"{media}/a.flac", f"{media}/a.flac")
        assert first == second
        assert first["result"][0]["value"] == {"text": ["yat yi"]}
        assert 0 < first["score"] <= 1
    assert Listening.objects.count() == 1
    assert Clip.objects.count() == len(world.clips), "nothing enters the corpus"


def test_a_task_that_fails_is_one_empty_result_and_an_incident(
    world: World, tokens: dict[str, str], media: str
) -> None:
    found = ask(
        world, tokens, f"{media}/a.flac", f"{media}/missing", "http://10.0.0.1/x", f"{media}/page", "",
        clip_url(world.clips[0].pk, lifetime_seconds=-1),
    )  # fmt: skip
    assert [one.get("error_id", "") for one in found] == [
        "", "annotation:ml:audio-missing", "annotation:ml:audio-not-allowed", "corpus:audio:unreadable",
        "annotation:ml:no-audio", "corpus:link:expired",
    ]  # fmt: skip
    assert [len(one["result"]) for one in found] == [1, 0, 0, 0, 0, 0]
    assert set(Incident.objects.filter(collection=world.collection).values_list("error_id", flat=True)) == {
        one["error_id"] for one in found[1:]
    }


def test_what_may_pass_is_asked_again(
    world: World, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch, media: str
) -> None:
    monkeypatch.setattr(ml_hearing, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("annotation.ml_predictions.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(ml_backend, "predict", lambda **given: _impatient(**given))
    assert ask(world, tokens, f"{media}/a.flac") == [[]], "no prediction that would be kept for good"
    (told,) = ask(world, tokens, f"{media}/a.flac", context={"result": []})
    assert told["error_id"] in ("annotation:ml:late", "annotation:ml:audio-unreachable")


def _impatient(**given: Any) -> list[Any]:
    from annotation.ml_predictions import predict

    return predict(**given, patience=-1.0)


def test_a_clip_of_another_collection_is_not_heard(world: World, tokens: dict[str, str]) -> None:
    from tests.api.world import build

    other = build("scottish")
    (told,) = ask(world, tokens, clip_url(other.clips[0].pk, lifetime_seconds=60))
    assert told["error_id"] == "annotation:ml:not-our-clip"


@pytest.mark.parametrize(
    ("body", "error_id"),
    [
        ("{", "annotation:ml:body"), ("[]", "annotation:ml:body"), ('"x"', "annotation:ml:body"),
        ({}, "annotation:ml:body"), ({"tasks": 3}, "annotation:ml:body"), ({"tasks": [3]}, "annotation:ml:body"),
        ({"tasks": [{}] * 501, "label_config": CONFIG}, "annotation:ml:body"),
        ({"tasks": [{}]}, "annotation:ml:config"), ({"tasks": [{}], "label_config": "<V"}, "annotation:ml:config"),
        ({"tasks": [{}], "label_config": "<View/>"}, "annotation:ml:no-audio"),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_refused_and_kept(
    world: World, tokens: dict[str, str], body: Any, error_id: str
) -> None:
    answer = call(world, "predict", body, by="annotator", token=tokens["annotator"])
    assert (answer.status_code, answer.json()["error_id"]) == (400, error_id)
    assert Incident.objects.get(collection=world.collection).error_id == error_id


def test_the_waiting_leave_threads_for_people(
    world: World, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def acquire(self, timeout: float) -> bool:
            return False

    monkeypatch.setattr(ml_backend, "_places", Full())
    answer = call(world, "predict", {"tasks": []}, by="annotator", token=tokens["annotator"])
    assert (answer.status_code, answer.json()["error_id"]) == (503, "annotation:ml:unavailable")


def event(clip: Clip | None, text: str = "yat yi sei", *, number: int = 9, **changed: Any) -> dict[str, Any]:
    link = clip_url(clip.pk, lifetime_seconds=-1) if clip else "/data/upload/1/a.wav"
    result = [{"from_name": "t", "to_name": "a", "type": "textarea", "value": {"text": [text]}}]
    annotation = {
        "id": number, "result": result, "completed_by": 4, "was_cancelled": False, "updated_at": MOMENT,
    } | changed  # fmt: skip
    return {
        "action": "ANNOTATION_CREATED", "annotation": annotation, "task": {"id": 2, "data": {"sound": link}},
        "project": {"id": 5, "label_config": CONFIG},
    }  # fmt: skip


@pytest.fixture
def connected(world: World, tokens: dict[str, str]) -> ConnectedProject:
    call(world, "setup", SETUP, by="reviewer", token=tokens["reviewer"])
    return ConnectedProject.objects.get()


def told(world: World, tokens: dict[str, str], body: Any, *, by: str = "reviewer") -> HttpResponse:
    return call(world, "webhook", body, by=by, token=tokens[by])


@pytest.mark.usefixtures("connected")
def test_a_submission_about_our_clip_becomes_its_reference(world: World, tokens: dict[str, str]) -> None:
    clip = world.clips[1]
    for _ in range(2):
        assert told(world, tokens, event(clip)).status_code == 200
    held = Reference.objects.get(clip=clip, is_current=True)
    assert (held.text, held.kind, held.author, held.version) == ("yat yi sei", "annotator", "user 4", 1)
    edited = event(clip, "yat yi ng", updated_at="2026-11-30T12:05:00Z")
    told(world, tokens, {**edited, "action": "ANNOTATION_UPDATED"})
    told(world, tokens, event(clip))
    assert Reference.objects.get(clip=clip, is_current=True).text == "yat yi ng", (
        "an old call changes nothing"
    )


@pytest.mark.usefixtures("connected")
def test_what_cannot_count_is_kept_with_its_reason(world: World, tokens: dict[str, str]) -> None:
    decided = world.clips[2]
    Reference.objects.create(clip=decided, version=9, text="decided", kind="adjudicated")
    sent = {
        "annotation:ml:event-audio": event(None, number=1),
        "annotation:ml:event-text": event(world.clips[1], "", number=2),
        "annotation:ml:event-decided": event(decided, number=3),
        "": event(world.clips[1], number=4, was_cancelled=True),
    }
    before = Reference.objects.count()
    for body in sent.values():
        assert told(world, tokens, body).json() == {"taken": 1}
    kept = OutsideAnnotation.objects.order_by("annotation_id").values_list("error_id", flat=True)
    assert list(kept) == list(sent)
    assert set(Incident.objects.values_list("error_id", flat=True)) == set(sent) - {""}
    assert Reference.objects.count() == before


@pytest.mark.usefixtures("connected")
def test_only_who_corrects_references_is_believed(world: World, tokens: dict[str, str]) -> None:
    assert told(world, tokens, event(world.clips[1]), by="annotator").status_code == 403
    assert not OutsideAnnotation.objects.exists()


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    "body",
    [
        {}, {"action": 3}, [], "x", {"action": "ANNOTATION_CREATED", "project": {"id": 5, "label_config": CONFIG}},
        event(None) | {"annotation": [{}, {}], "task": [{}]}, event(None, number=-1), event(None, updated_at="x"),
        event(None, updated_at=None), event(None) | {"project": {"id": 5, "label_config": 7}},
    ],
)  # fmt: skip
def test_a_malformed_event_is_refused_and_kept(world: World, tokens: dict[str, str], body: Any) -> None:
    answer = told(world, tokens, body)
    assert answer.status_code == 400
    assert Incident.objects.get(collection=world.collection).error_id == answer.json()["error_id"]
    assert not OutsideAnnotation.objects.exists()


@pytest.mark.usefixtures("connected")
def test_events_about_other_things_are_let_be(world: World, tokens: dict[str, str]) -> None:
    for body in (
        {"action": "TASKS_CREATED"},
        event(None) | {"project": {"id": 6}},
        event(None) | {"project": 5},
    ):
        answer = told(world, tokens, body)
        assert (answer.status_code, answer.json()) == (200, {"ignored": body["action"]})


def test_a_call_without_name_is_a_hint_about_our_label_studio_only(
    world: World, tokens: dict[str, str], connected: ConnectedProject
) -> None:
    assert call(world, "webhook", event(world.clips[1])).status_code == 401
    connected.host = settings.EARMARK.label_studio_url
    connected.save()
    Job.objects.all().delete()
    for _ in range(3):
        answer = call(world, "webhook", event(world.clips[1]))
        assert answer.status_code == 202
    job = Job.objects.get()
    assert (job.kind, job.arguments) == ("annotation.sync_connected", {"connected_id": connected.pk})
    assert not OutsideAnnotation.objects.exists(), "what it says is not believed"
    assert call(world, "webhook", {"action": "START_TRAINING", "project": {"id": 5}}).status_code == 401
    assert told(world, tokens, event(world.clips[1])).status_code == 202


def test_the_training_button_launches_one_training(world: World, tokens: dict[str, str]) -> None:
    TrainingJob.objects.all().delete()
    sent = {"action": "START_TRAINING", "project": {"id": 5}}
    first, second = (told(world, tokens, sent, by="admin").json() for _ in range(2))
    assert first == second
    row = TrainingJob.objects.get()
    assert first == {"job": str(row.pk)}
    assert AuditEntry.objects.filter(verb="launch training", actor=world.people["admin"]).exists()
    asked = call(world, "job_status", first, by="admin", token=tokens["admin"]).json()
    assert asked == {"job_status": "queued"}


def test_our_test_page_is_one_we_read() -> None:
    assert len(read_config(CONFIG)) == 1
