"""Rounds against a real Label Studio: what it holds and what it serves, not what we sent."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from django.conf import settings
from django.test import override_settings

from annotation import publishing
from annotation.label_studio import LabelStudio, client
from annotation.models import Annotation, Round, RoundClip
from annotation.queries import round_progress
from annotation.rounds import open_round, request_round
from annotation.sync import sync_round
from earmark.config.environment import Environment
from earmark.corpus.models import Clip, Reference
from earmark.demo.annotators import Annotator, Submission, accounts, decide, label_round
from tests.annotation.world import Killed, TestContext, heard_collection

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

Outcome = RoundClip.Outcome


@pytest.fixture
def studio(label_studio: Environment) -> Iterator[LabelStudio]:
    with client() as opened:
        yield opened


@pytest.fixture
def row(studio: LabelStudio) -> Round:
    """An open round of ten clips, sent in batches of four through a kill after the first."""
    made, _ = request_round(collection=heard_collection(12), budget_seconds=20.0, seed=1, by=None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(publishing, "BATCH", 4)
        with pytest.raises(Killed):
            open_round(TestContext(kill_at=2), round_id=made.pk)
        made.refresh_from_db()
        assert made.status == Round.Status.OPENING
        assert len(tasks_there(studio, made)) == 4
        open_round(TestContext(), round_id=made.pk)
    made.refresh_from_db()
    return made


@pytest.fixture
def annotator(row: Round, studio: LabelStudio) -> Iterator[Annotator]:
    """Somebody signed in who gets the round's tasks."""
    with signed_in(studio) as person:
        yield person


def signed_in(studio: LabelStudio) -> Annotator:
    account = accounts("tests", ["tess"])[0]
    person = Annotator(studio.url, account)
    person.sign_in(invitation="" if account.email in studio.emails().values() else studio.invitation())
    return person


def get(path: str, **parameters: object) -> dict[str, object]:
    headers = {"Authorization": f"Token {settings.EARMARK.label_studio_api_key}"}
    answer = httpx.get(settings.EARMARK.label_studio_url + path, headers=headers, params=parameters)
    found: dict[str, object] = answer.raise_for_status().json()
    return found


def tasks_there(studio: LabelStudio, row: Round) -> list[dict]:
    return [task for page in studio.tasks(row.project_id) for task in page]


def said(text: str, **changed: bool) -> Submission:
    return Submission(text, **({"skipped": False, "unintelligible": False, "lead_seconds": 2.5} | changed))


def synced(row: Round) -> dict[str, object]:
    return sync_round(TestContext(), round_id=row.pk)


def test_through_a_kill_each_clip_is_one_task_with_its_prediction(row: Round, studio: LabelStudio) -> None:
    tasks = tasks_there(studio, row)
    assert Counter(task["data"]["clip"] for task in tasks) == Counter(
        row.clips.values_list("clip_id", flat=True)
    )
    assert {task["data"]["clip"]: task["id"] for task in tasks} == dict(
        row.passes.values_list("round_clip__clip_id", "task_id")
    )
    for one in row.clips.select_related("hypothesis"):
        (prediction,) = get(f"/api/tasks/{one.passes.get().task_id}/")["predictions"]
        assert prediction["model_version"] == "tiny-1"
        assert prediction["result"][0]["value"]["text"] == ["turn on the light"]
    project = get(f"/api/projects/{row.project_id}/")
    assert (project["sampling"], project["model_version"]) == ("Uncertainty sampling", "tiny-1")
    (hook,) = get("/api/webhooks/", project=row.project_id)
    assert hook["headers"] == {"X-Earmark-Secret": settings.EARMARK.webhook_secret}


def test_a_project_made_by_a_killed_job_is_found(row: Round, studio: LabelStudio) -> None:
    made = row.project_id
    Round.objects.filter(pk=row.pk).update(project_id=None)
    row.refresh_from_db()
    assert publishing.ensure_project(row, studio) == made
    assert studio.find_project(title="Heard · 1", description="another round's") is None


def test_the_annotator_is_asked_the_least_confident_first(row: Round, annotator: Annotator) -> None:
    task = annotator.next_task(row.project_id)
    scores = {
        one["data"]["clip"]: one["predictions"][0]["score"]
        for one in (get(f"/api/tasks/{key}/") for key in row.passes.values_list("task_id", flat=True))
    }
    assert task["predictions"][0]["score"] == min(scores.values())


def test_labels_skips_doubts_edits_and_deletions_arrive_once(
    row: Round, studio: LabelStudio, annotator: Annotator
) -> None:
    tasks = [annotator.next_task(row.project_id)]
    annotator.submit(tasks[0], said("turn it on"), seed=1)
    annotator.submit(tasks[0], said("turn it on"), seed=1)  # sent again after a lost answer
    for answer in (said("", skipped=True), said("", unintelligible=True)):
        tasks.append(annotator.next_task(row.project_id))
        annotator.submit(tasks[-1], answer, seed=1)
    assert len({task["id"] for task in tasks}) == 3
    assert synced(row)["annotations"] == 3
    assert synced(row)["annotations"] == 0

    labelled, skipped, doubted = (Clip.objects.get(pk=task["data"]["clip"]) for task in tasks)
    assert (labelled.state, skipped.state, doubted.state) == ("labelled", "skipped", "unintelligible")
    annotation = Annotation.objects.get(round_clip__clip=labelled)
    assert annotation.annotator == "tess@annotators.earmark.local"
    assert (annotation.text, annotation.lead_seconds) == ("turn it on", 2.5)
    assert annotation.hypothesis_id == row.clips.get(clip=labelled).hypothesis_id
    assert round_progress(row)["waiting"] == 7

    headers = {"Authorization": f"Token {settings.EARMARK.label_studio_api_key}"}
    address = f"{settings.EARMARK.label_studio_url}/api/annotations/{annotation.annotation_id}/"
    httpx.patch(address, headers=headers, json={"result": said("turn it off").result()}).raise_for_status()
    assert synced(row)["annotations"] == 1
    texts = Reference.objects.filter(clip=labelled).order_by("version").values_list("text", flat=True)
    assert list(texts) == ["turn it on", "turn it off"]

    httpx.delete(address, headers=headers).raise_for_status()
    assert synced(row)["deleted"] == 1
    studio.delete_task(tasks[1]["id"])
    synced(row)
    assert round_progress(row)["skipped"] == 1, "what is deleted there stays known here"


def test_a_deleted_project_is_built_again(row: Round, studio: LabelStudio, annotator: Annotator) -> None:
    task = annotator.next_task(row.project_id)
    annotator.submit(task, said("kept"), seed=1)
    synced(row)
    headers = {"Authorization": f"Token {settings.EARMARK.label_studio_api_key}"}
    address = f"{settings.EARMARK.label_studio_url}/api/projects/{row.project_id}/"
    httpx.delete(address, headers=headers).raise_for_status()
    assert "rebuilt_by_job" in synced(row)
    open_round(TestContext(), round_id=row.pk)
    row.refresh_from_db()
    clips = {one["data"]["clip"] for one in tasks_there(studio, row)}
    assert clips == set(row.clips.values_list("clip_id", flat=True)) - {task["data"]["clip"]}
    assert synced(row)["annotations"] == 0
    assert Reference.objects.get().text == "kept"


def test_label_studio_calls_us_with_the_secret(studio: LabelStudio) -> None:
    heard: list[tuple[str, str, bytes]] = []
    arrived = threading.Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.path, self.headers["X-Earmark-Secret"], body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            arrived.set()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = f"http://127.0.0.1:{server.server_port}"
    with override_settings(EARMARK=replace(settings.EARMARK, site_url=site)):
        made, _ = request_round(collection=heard_collection(3), budget_seconds=4.0, seed=1, by=None)
        open_round(TestContext(), round_id=made.pk)
    made.refresh_from_db()
    with signed_in(studio) as person:
        task = person.next_task(made.project_id)
        person.submit(task, said("hello"), seed=1)
    assert arrived.wait(10)
    server.shutdown()
    server.server_close()
    path, secret, body = heard[0]
    assert path == f"/hooks/label-studio/{made.pk}/"
    assert secret == settings.EARMARK.webhook_secret
    assert b"hello" not in body, "the hint carries no content"


def test_three_annotators_label_a_round_between_them(row: Round) -> None:
    spoken = {clip: f"what is said in {clip}" for clip in row.clips.values_list("clip_id", flat=True)}
    seen: list[int] = []
    tally = label_round(row, spoken, seed=4, watch=seen.append)
    assert tally.done == 10
    assert sorted(seen) == list(range(1, 11))
    synced(row)
    for one in row.clips.prefetch_related("annotations"):
        (annotation,) = one.annotations.all()
        shown = {"clip": one.clip_id, "seconds": 2.0, "round": row.pk}
        expected = decide({"data": shown}, spoken[one.clip_id], seed=4)
        assert annotation.text == expected.text
        assert annotation.was_skipped == expected.skipped
        assert annotation.lead_seconds > 0
    assert label_round(row, spoken, seed=4).done == 0, "nothing is left"
