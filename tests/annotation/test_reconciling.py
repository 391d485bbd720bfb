"""What somebody changed or deleted in Label Studio: noticed, kept, put right."""

from typing import Any

import pytest

from annotation import sync
from annotation.models import Annotation, Round, RoundClip
from annotation.refreshing import refresh_open_rounds, refresh_round
from annotation.review_models import Incident
from annotation.rounds import close_round, open_round, repair_round, request_round, start_repair
from annotation.routing_models import Pass
from earmark.corpus.models import Reference
from earmark.jobs.models import Job
from earmark.recognition.models import Alias, Hypothesis, ModelVersion
from earmark.speech.errors import EarmarkError
from tests.annotation.fake_label_studio import FakeLabelStudio
from tests.annotation.world import TestContext, heard_collection

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(studio: FakeLabelStudio) -> Round:
    """An open round of six clips."""
    made, _ = request_round(collection=heard_collection(8), budget_seconds=12.0, seed=1, by=None)
    open_round(TestContext(), round_id=made.pk)
    made.refresh_from_db()
    return made


def synced(row: Round) -> dict[str, Any]:
    return sync.sync_round(TestContext(), round_id=row.pk)


def repaired(row: Round) -> dict[str, Any]:
    return repair_round(TestContext(), round_id=row.pk)


def clips_of(row: Round) -> list[int]:
    return list(row.clips.order_by("clip_id").values_list("clip_id", flat=True))


def incidents() -> list[tuple[str, int]]:
    return list(Incident.objects.order_by("pk").values_list("error_id", "times"))


def test_a_deleted_task_is_sent_again_and_finished_work_kept(row: Round, studio: FakeLabelStudio) -> None:
    answered, waiting, *_ = clips_of(row)
    studio.submit(answered, "kept")
    synced(row)
    for clip in (answered, waiting):
        studio.delete_task(studio.task_of(clip)["id"])
    told = synced(row)
    assert told["gone"] == 2
    job = Job.objects.get(pk=told["repaired_by_job"])
    assert (job.kind, job.arguments) == ("annotation.repair_round", {"round_id": row.pk})
    assert repaired(row)["sent"] == 1
    assert studio.task_of(waiting)["annotations"] == []
    assert answered not in {task["data"]["clip"] for task in studio.of(row.project_id)}
    assert Reference.objects.get().text == "kept"
    assert "repaired_by_job" not in synced(row)
    studio.submit(waiting, "after")
    synced(row)
    assert row.clips.filter(outcome=RoundClip.Outcome.LABELLED).count() == 2


def test_a_number_that_is_given_again_is_not_mistaken(row: Round, studio: FakeLabelStudio) -> None:
    first, second, *_ = clips_of(row)
    studio.submit(first, "the first's")
    synced(row)
    old, new = studio.task_of(first)["id"], studio.task_of(second)["id"]
    task = studio.store.pop(new)
    studio.delete_task(old)
    studio.store[old] = task | {"id": old}
    studio.submit(second, "the second's")
    synced(row)
    texts = dict(Annotation.objects.values_list("round_clip__clip", "text"))
    assert texts == {first: "the first's", second: "the second's"}
    assert Pass.objects.get(round_clip__clip=second).task_id == old
    assert Annotation.objects.filter(deleted_at=None).count() == 2, "what was answered stays"


def test_an_answer_to_a_second_task_of_a_pass_is_not_lost(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    recorded = studio.task_of(clip)
    studio.import_tasks(row.project_id, [recorded])  # by an import that outlived its sender
    late = max(studio.store)
    studio.store[late]["annotations"] = []
    del studio.store[recorded["id"]]
    studio.submit(clip, "on the late one")
    studio.store[recorded["id"]] = recorded
    synced(row)
    assert Annotation.objects.get().text == "on the late one"
    assert Pass.objects.get(round_clip__clip=clip).task_id == late
    assert recorded["id"] not in studio.store, "nobody is asked again"


def test_a_late_task_nobody_answered_goes(row: Round, studio: FakeLabelStudio) -> None:
    studio.import_tasks(row.project_id, [studio.task_of(clips_of(row)[0])])
    late = max(studio.store)
    synced(row)
    assert late not in studio.store
    assert len(studio.of(row.project_id)) == 6


def test_what_is_not_ours_is_noted_once_and_left_alone(row: Round, studio: FakeLabelStudio) -> None:
    strange: list[dict[str, Any]] = [
        {"data": {"text": "not ours"}, "predictions": []},
        {"data": {"clip": "x", "round": row.pk}, "predictions": []},
        {"data": {"clip": 10**30, "round": row.pk, "pass": 1}, "predictions": []},
    ]
    studio.import_tasks(row.project_id, strange)
    (unknown,) = [one for one in studio.of(row.project_id) if one["data"].get("clip") == 10**30]
    studio.submit(10**30, "for a clip we do not know")
    for _ in range(3):
        assert synced(row)["annotations"] == 0
        Round.objects.update(synced_until=None)
    assert incidents() == [
        ("annotation:label-studio:foreign-task", 1),
        ("annotation:label-studio:foreign-task", 1),
        ("annotation:label-studio:unknown-clip", 1),
    ]
    kept = Incident.objects.get(error_id="annotation:label-studio:unknown-clip").said
    assert "for a clip we do not know" in str(kept), "nothing is lost"
    assert unknown["id"] in studio.store
    repaired(row)
    assert len(studio.of(row.project_id)) == 9


def test_an_answer_made_with_another_configuration_is_kept_and_not_counted(
    row: Round, studio: FakeLabelStudio
) -> None:
    good, *bad = clips_of(row)
    studio.projects[row.project_id]["label_config"] = "<View/>"
    studio.submit(good, "readable all the same")
    results: list[Any] = [
        [{"from_name": "other", "type": "textarea", "value": {"text": ["x"]}}],
        [{"from_name": "transcription", "type": "textarea", "value": {"text": {"x": 1}}}],
        [{"from_name": "quality", "type": "choices", "value": {"choices": ["splendid"]}}],
        [{"from_name": "transcription", "value": None}],
        {"from_name": "transcription"},
    ]
    for clip, result in zip(bad, results, strict=True):
        studio.submit(clip, "x")
        studio.task_of(clip)["annotations"][0]["result"] = result
    told = synced(row)
    assert (told["annotations"], told["unreadable"]) == (1, 5)
    assert dict(incidents()) == {
        "annotation:label-studio:config-changed": 1,
        "annotation:answer:unreadable": 1,
    }
    assert Incident.objects.count() == 6
    assert Annotation.objects.get().text == "readable all the same"
    before = Incident.objects.count()
    studio.calls.clear()
    synced(row)
    assert studio.calls.count("annotated_tasks") == 1, "what cannot be read is not read again and again"
    assert Incident.objects.count() == before


def test_an_edit_that_cannot_be_read_leaves_the_answer_before_it(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    given = studio.submit(clip, "readable")
    synced(row)
    studio.edit(clip, given, "x")
    studio.task_of(clip)["annotations"][0]["result"][0]["value"] = {"text": 7}
    told = synced(row)
    assert (told["unreadable"], told["deleted"]) == (1, 0)
    assert Annotation.objects.get(deleted_at=None).text == "readable"


def test_a_configuration_written_anew_is_the_same(row: Round, studio: FakeLabelStudio) -> None:
    project = studio.projects[row.project_id]
    project["label_config"] = project["label_config"].replace('"/>', '" />').replace("\n  <", "\n\n<")
    synced(row)
    assert not incidents()


def test_repair_puts_back_what_somebody_changed(row: Round, studio: FakeLabelStudio) -> None:
    project, sent = studio.projects[row.project_id], dict(studio.projects[row.project_id])
    project |= {"label_config": "<View/>", "sampling": "Sequential sampling", "model_version": "nobody"}
    studio.hooks.clear()
    moved = studio.of(row.project_id)[0]
    moved["data"]["for"] = "somebody@else.org"
    told = repaired(row)
    assert project == sent
    assert row.project_id in studio.hooks
    assert (told["readdressed"], told["sent"], told["deleted"]) == (1, 0, 0)
    assert studio.store[moved["id"]]["data"]["for"] == ""


def test_a_deleted_project_is_rebuilt_by_repair_with_finished_work_kept(
    row: Round, studio: FakeLabelStudio
) -> None:
    answered, *waiting = clips_of(row)
    studio.submit(answered, "kept")
    synced(row)
    studio.delete_project(row.project_id)
    job = start_repair(round=row)
    assert start_repair(round=row).pk == job.pk
    told = repair_round(TestContext(), **job.arguments)
    assert told["sent"] == 5
    row.refresh_from_db()
    assert sorted(task["data"]["clip"] for task in studio.of(row.project_id)) == waiting
    for number, clip in enumerate(waiting):
        studio.submit(clip, f"after {number}")
    assert synced(row)["annotations"] == 5
    assert Annotation.objects.filter(deleted_at=None).count() == 6


def test_a_closed_round_is_not_repaired(row: Round) -> None:
    close_round(round=row, by=None)
    row.refresh_from_db()
    with pytest.raises(EarmarkError) as caught:
        start_repair(round=row)
    assert caught.value.error_id == "annotation:round:closed"
    assert repaired(row) == {}


def test_the_champions_new_texts_are_shown_on_open_tasks(row: Round, studio: FakeLabelStudio) -> None:
    answered, *waiting = clips_of(row)
    studio.submit(answered, "before")
    synced(row)
    Pass.objects.filter(round_clip__clip=waiting[0]).update(is_blind=True)
    better = ModelVersion.objects.create(name="tiny-2", source="nowhere")
    Alias.objects.filter(collection=row.collection).update(model=better)
    for clip in waiting[1:]:
        Hypothesis.objects.create(clip_id=clip, model=better, text="better", confidence=0.5, flags=[])
    assert not refresh_open_rounds(), "not before it has heard them all"
    Hypothesis.objects.create(clip_id=waiting[0], model=better, text="better", confidence=0.5, flags=[])
    (job,) = refresh_open_rounds()
    for _ in range(2):
        refresh_round(TestContext(), **job.arguments)
    assert studio.projects[row.project_id]["model_version"] == "tiny-2"
    shown = [
        [each["result"] for each in studio.task_of(clip)["predictions"] if each["model_version"] == "tiny-2"]
        for clip in waiting
    ]
    assert [len(each) for each in shown] == [1] * 5, "once each"
    assert shown[0] == [[]], "nothing in the box of the blind"
    assert shown[1][0][0]["value"] == {"text": ["better"]}
    assert len(studio.task_of(answered)["predictions"]) == 1
    studio.submit(waiting[1], "after")
    synced(row)
    assert Annotation.objects.get(text="before").hypothesis.model.name == "tiny-1"
    assert Annotation.objects.get(text="after").hypothesis.model == better
    repaired(row)
    assert studio.projects[row.project_id]["model_version"] == "tiny-2"
