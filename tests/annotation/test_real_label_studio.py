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

from annotation import publishing, routing_models
from annotation.label_studio import LabelStudio, client
from annotation.models import Annotation, Round, RoundClip
from annotation.queries import round_progress
from annotation.refreshing import refresh_open_rounds, refresh_round
from annotation.review_models import Incident
from annotation.rounds import open_round, repair_round, request_round
from annotation.sync import sync_round
from earmark.accounts.models import User
from earmark.config.environment import Environment
from earmark.corpus.models import Clip, Reference
from earmark.demo.annotators import Annotator, Submission, accounts, decide, label_round
from earmark.recognition.models import Alias, Hypothesis, ModelVersion
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


def put(method: str, path: str, **content: object) -> httpx.Response:
    headers = {"Authorization": f"Token {settings.EARMARK.label_studio_api_key}"}
    address = settings.EARMARK.label_studio_url + path
    return httpx.request(method, address, headers=headers, **content).raise_for_status()  # type: ignore[arg-type]


@pytest.mark.parametrize("pressed", [None, "filtered", "all"])
def test_a_queue_serves_exactly_what_is_theirs_in_our_order(studio: LabelStudio, pressed: str | None) -> None:
    collection = heard_collection(12)
    tess = signed_in(studio)
    for name, address in (("tess", tess.account.email), ("otto", "otto@example.org")):
        user = User.objects.create(username=name, email=address)
        routing_models.Annotator.objects.create(collection=collection, user=user, studio_email=address)
    made, _ = request_round(collection=collection, budget_seconds=20.0, seed=1, by=None)
    open_round(TestContext(), round_id=made.pk)
    made.refresh_from_db()
    queue = made.queues.get(annotator__user__username="tess")
    shown = get(f"/api/dm/views/{queue.view_id}/")["data"]
    theirs = made.passes.filter(annotator=queue.annotator).order_by("place")
    served = []
    with tess:
        while task := next_in_view(tess, made, queue.view_id, shown, pressed):
            served.append(task["id"])
            tess.submit(task, said("text"), seed=1)
    assert served == list(theirs.values_list("task_id", flat=True))
    assert len(served) == 5
    assert synced(made)["annotations"] == 5
    assert set(Annotation.objects.values_list("annotator", flat=True)) == {tess.account.email}


def next_in_view(person: Annotator, row: Round, view: int, shown: dict, pressed: str | None) -> dict | None:
    """The next task as the data manager asks for it when `?tab=VIEW&labeling=1` is opened.

    `pressed`: which of its two buttons somebody pressed last, in whatever project; it is remembered in the browser,
    and after "Label all tasks" the filters are left out, unless all tasks of the tab are selected.
    """
    body = {
        "ordering": shown["ordering"],
        "selectedItems": shown.get("selectedItems", {"all": False, "included": []}),
        "filters": shown["filters"],
    }
    if pressed == "all" and body["selectedItems"]["all"] is not True:
        del body["filters"], body["ordering"], body["selectedItems"]
    elif pressed == "filtered":
        del body["selectedItems"]
    answer = person._call(
        "POST",
        "/api/dm/actions/",
        params={"id": "next_task", "project": row.project_id, "tabID": view},
        json=body,
    )
    return None if answer.status_code == 404 else answer.raise_for_status().json()


def test_tasks_deleted_there_are_sent_again_and_what_was_answered_is_kept(
    row: Round, studio: LabelStudio, annotator: Annotator
) -> None:
    task = annotator.next_task(row.project_id)
    annotator.submit(task, said("kept"), seed=1)
    synced(row)
    waiting = row.passes.filter(status="waiting").first()
    for number in (task["id"], waiting.task_id):
        studio.delete_task(number)
    told = synced(row)
    assert told["gone"] == 2
    assert "repaired_by_job" in told
    assert repair_round(TestContext(), round_id=row.pk)["sent"] == 1
    clips = Counter(one["data"]["clip"] for one in tasks_there(studio, row))
    assert clips == Counter(row.clips.exclude(clip_id=task["data"]["clip"]).values_list("clip_id", flat=True))
    assert "repaired_by_job" not in synced(row)
    assert Reference.objects.get().text == "kept"


def test_a_changed_label_configuration_is_noticed_and_put_back(
    row: Round, studio: LabelStudio, annotator: Annotator
) -> None:
    assert synced(row)["unreadable"] == 0
    assert not Incident.objects.exists(), "Label Studio's own way of writing it is no change"
    config = '<View><Audio name="audio" value="$audio"/><TextArea name="other" toName="audio"/></View>'
    put("PATCH", f"/api/projects/{row.project_id}/", json={"label_config": config})
    task = annotator.next_task(row.project_id)
    result = [
        {"from_name": "other", "to_name": "audio", "type": "textarea", "value": {"text": ["elsewhere"]}}
    ]
    put("POST", f"/api/tasks/{task['id']}/annotations/", json={"result": result})
    assert synced(row)["unreadable"] == 1
    assert set(Incident.objects.values_list("error_id", flat=True)) == {
        "annotation:label-studio:config-changed",
        "annotation:answer:unreadable",
    }
    assert not Annotation.objects.exists()
    repair_round(TestContext(), round_id=row.pk)
    row.refresh_from_db()
    assert get(f"/api/projects/{row.project_id}/")["label_config"] == row.label_config
    synced(row)
    assert Incident.objects.count() == 2


def test_new_texts_take_the_place_of_older_ones(
    row: Round, studio: LabelStudio, annotator: Annotator
) -> None:
    begun = annotator.next_task(row.project_id)
    better = ModelVersion.objects.create(name="tiny-2", source="nowhere")
    for one in row.clips.all():
        Hypothesis.objects.create(
            clip_id=one.clip_id, model=better, text="turn off the light", confidence=0.5, flags=[]
        )
    assert not refresh_open_rounds(), "it is not champion"
    Alias.objects.filter(collection=row.collection).update(model=better)
    (job,) = refresh_open_rounds()
    assert refresh_round(TestContext(), **job.arguments)["replaced"] == 10
    assert not refresh_open_rounds()
    annotator.submit(begun, said("what stood there before"), seed=1)
    other = annotator.next_task(row.project_id)
    assert [one["result"][0]["value"]["text"] for one in other["predictions"]] == [["turn off the light"]]
    annotator.submit(other, said("what stands there now"), seed=1)
    synced(row)
    started = {one.text: one.hypothesis.model.name for one in Annotation.objects.all()}
    assert started == {"what stood there before": "tiny-1", "what stands there now": "tiny-2"}
