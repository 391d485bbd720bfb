"""What annotators submit comes to count, once, however often it is fetched."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from annotation import sync
from annotation.models import Annotation, Round, RoundClip
from annotation.queries import done_by_day, progress_of, project_url, round_progress
from annotation.rounds import close_round, open_round, request_round
from earmark.corpus.models import Clip, Reference
from earmark.jobs.models import Job
from tests.annotation.fake_label_studio import FakeLabelStudio
from tests.annotation.world import Killed, TestContext, heard_collection

pytestmark = pytest.mark.django_db

Outcome = RoundClip.Outcome


@pytest.fixture
def row(studio: FakeLabelStudio) -> Round:
    """An open round of six clips."""
    made, _ = request_round(collection=heard_collection(8), budget_seconds=12.0, seed=1, by=None)
    open_round(TestContext(), round_id=made.pk)
    made.refresh_from_db()
    return made


def synced(row: Round) -> dict[str, Any]:
    return sync.sync_round(TestContext(), round_id=row.pk)


def clips_of(row: Round) -> list[int]:
    return list(row.clips.order_by("clip_id").values_list("clip_id", flat=True))


def references(clip: int) -> list[tuple[int, str, str, bool]]:
    rows = Reference.objects.filter(clip_id=clip).order_by("version")
    return list(rows.values_list("version", "text", "author", "is_current"))


def state(clip: int) -> str:
    return Clip.objects.get(pk=clip).state


def test_a_label_becomes_the_reference(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    studio.submit(clip, "turn it on", user=2, quality=["clear"])
    assert synced(row)["annotations"] == 1
    annotation = Annotation.objects.get()
    assert (annotation.annotator, annotation.text, annotation.quality) == (
        "bo@example.org",
        "turn it on",
        ["clear"],
    )
    assert annotation.lead_seconds == 3.5
    assert annotation.hypothesis_id == row.clips.get(clip_id=clip).hypothesis_id
    assert references(clip) == [(1, "turn it on", "bo@example.org", True)]
    assert Reference.objects.get().kind == Reference.Kind.ANNOTATOR
    assert state(clip) == Clip.State.LABELLED


def test_syncing_again_changes_nothing(row: Round, studio: FakeLabelStudio) -> None:
    for number, clip in enumerate(clips_of(row)[:3]):
        studio.submit(clip, f"text {number}")
    assert synced(row)["annotations"] == 3
    before = list(Annotation.objects.values())
    assert synced(row)["annotations"] == 0
    Round.objects.update(synced_until=None)
    assert synced(row)["annotations"] == 0, "even when all is listed again"
    assert list(Annotation.objects.values()) == before
    assert Reference.objects.count() == 3


def test_a_skip_goes_back_to_the_pool_but_not_to_this_round(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    studio.submit(clip, skip=True)
    synced(row)
    assert state(clip) == Clip.State.SKIPPED
    assert not references(clip)
    assert row.clips.get(clip_id=clip).outcome == Outcome.SKIPPED
    close_round(round=row, by=None)
    again, _ = request_round(collection=row.collection, budget_seconds=100.0, seed=2, by=None)
    open_round(TestContext(), round_id=again.pk)
    assert clip in clips_of(again)


def test_unintelligible_is_a_state_of_its_own(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    studio.submit(clip, "left in the box", quality=["unintelligible"])
    synced(row)
    assert state(clip) == Clip.State.UNINTELLIGIBLE
    assert not references(clip)


def test_an_edit_makes_the_second_version(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    annotation = studio.submit(clip, "turn it on")
    synced(row)
    studio.edit(clip, annotation, "turn it off")
    assert synced(row)["annotations"] == 1
    assert references(clip) == [
        (1, "turn it on", "anna@example.org", False),
        (2, "turn it off", "anna@example.org", True),
    ]
    assert Annotation.objects.get().text == "turn it off"


def test_an_edit_after_the_round_is_closed_still_counts(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    annotation = studio.submit(clip, "turn it on")
    synced(row)
    close_round(round=row, by=None)
    studio.edit(clip, annotation, "turn it off")
    synced(row)
    assert references(clip)[-1] == (2, "turn it off", "anna@example.org", True)
    studio.edit(clip, annotation, "", quality=["unintelligible"])
    synced(row)
    assert state(clip) == Clip.State.UNINTELLIGIBLE


def test_a_late_skip_does_not_take_a_clip_out_of_a_later_round(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    close_round(round=row, by=None)
    later, _ = request_round(collection=row.collection, budget_seconds=100.0, seed=2, by=None)
    old_tasks = dict(studio.store)
    open_round(TestContext(), round_id=later.pk)
    new_tasks = {key: task for key, task in studio.store.items() if key not in old_tasks}
    studio.store = old_tasks
    studio.submit(clip, skip=True)
    studio.store = old_tasks | new_tasks
    synced(row)
    assert state(clip) == Clip.State.IN_ROUND
    studio.store = old_tasks
    studio.submit(clip, "but a label counts")
    studio.store = old_tasks | new_tasks
    synced(row)
    assert state(clip) == Clip.State.LABELLED


def test_a_deleted_annotation_is_remembered_and_the_reference_stays(
    row: Round, studio: FakeLabelStudio
) -> None:
    clip = clips_of(row)[0]
    annotation = studio.submit(clip, "turn it on")
    synced(row)
    studio.delete_annotation(clip, annotation)
    assert synced(row)["deleted"] == 1
    assert Annotation.objects.get().deleted_at is not None
    assert references(clip) == [(1, "turn it on", "anna@example.org", True)]
    studio.submit(clip, "turn it off", user=2)
    synced(row)
    assert references(clip)[-1] == (2, "turn it off", "bo@example.org", True)


def test_the_older_answer_counts_again_when_the_newer_is_deleted(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    studio.submit(clip, "first")
    second = studio.submit(clip, "second", user=2)
    synced(row)
    assert references(clip) == [(1, "second", "bo@example.org", True)]
    studio.delete_annotation(clip, second)
    synced(row)
    assert references(clip)[-1] == (2, "first", "anna@example.org", True)


def test_tasks_that_are_not_ours_are_left_alone(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    strange = [{"data": {"clip": clip}, "predictions": []}, {"data": {"text": "x"}, "predictions": []}]
    studio.import_tasks(row.project_id, strange)
    assert synced(row)["foreign"] == 2
    assert not Annotation.objects.exists()


def test_a_task_somebody_deleted_is_no_error(row: Round, studio: FakeLabelStudio) -> None:
    clip = clips_of(row)[0]
    studio.delete_task(studio.task_of(clip)["id"])
    assert synced(row)["annotations"] == 0
    close_round(round=row, by=None)
    assert state(clip) == Clip.State.HEARD


def test_what_is_submitted_while_a_sync_reads_is_not_missed(row: Round, studio: FakeLabelStudio) -> None:
    first, second = clips_of(row)[0], clips_of(row)[-1]
    studio.submit(second, "before")
    arrivals = iter([lambda: studio.submit(first, "meanwhile"), *[lambda: None] * 20])
    studio.before["annotated_tasks"] = lambda: next(arrivals)()
    pages = studio.annotated_tasks

    def slow(project: int, *, since: Any) -> Any:
        # the list is read before the submission arrives
        listed = list(pages(project, since=since))
        return iter(listed)

    studio.annotated_tasks = slow  # type: ignore[method-assign]
    synced(row)
    assert state(first) == Clip.State.LABELLED
    assert Round.objects.get(pk=row.pk).synced_until == studio.last_update(row.project_id)


def test_a_submission_just_behind_the_mark_is_found_by_the_overlap(
    row: Round, studio: FakeLabelStudio
) -> None:
    first, second = clips_of(row)[:2]
    studio.submit(first, "one")
    studio.submit(second, "two")
    late = studio.task_of(first)["annotations"]
    hidden = list(late)
    late.clear()  # its transaction has not committed yet
    synced(row)
    late += hidden
    assert synced(row)["annotations"] == 1
    assert state(first) == Clip.State.LABELLED


def test_an_answer_whose_task_was_never_touched_is_found_by_the_count(
    row: Round, studio: FakeLabelStudio
) -> None:
    first, second = clips_of(row)[:2]
    studio.submit(first, "long in committing")
    late = studio.task_of(first)["annotations"]
    hidden = list(late)
    late.clear()
    studio.now += timedelta(hours=1)
    studio.submit(second, "two")
    synced(row)
    late += hidden
    studio.calls.clear()
    assert synced(row)["annotations"] == 1
    assert state(first) == Clip.State.LABELLED
    studio.calls.clear()
    assert synced(row)["annotations"] == 0
    assert studio.calls.count("annotated_tasks") == 1, "what is explained is not read again"


def test_killed_between_two_tasks_a_sync_is_completed_by_the_next(
    row: Round, studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, clip in enumerate(clips_of(row)):
        studio.submit(clip, f"text {number}")
    real, applied = sync.apply, []

    def dying(*arguments: Any) -> None:
        if len(applied) == 3:
            raise Killed
        applied.append(arguments)
        real(*arguments)

    monkeypatch.setattr(sync, "apply", dying)
    with pytest.raises(Killed):
        synced(row)
    assert Annotation.objects.count() == 3
    monkeypatch.setattr(sync, "apply", real)
    synced(row)
    assert Annotation.objects.count() == 6
    assert set(Reference.objects.values_list("version", flat=True)) == {1}
    assert Reference.objects.count() == 6


def test_a_deleted_project_is_built_again_with_what_still_waits(row: Round, studio: FakeLabelStudio) -> None:
    answered, *waiting = clips_of(row)
    studio.submit(answered, "kept")
    synced(row)
    studio.delete_project(row.project_id)
    job = Job.objects.get(pk=synced(row)["rebuilt_by_job"])
    open_round(TestContext(), **job.arguments)
    row.refresh_from_db()
    assert row.status == Round.Status.OPEN
    assert sorted(task["data"]["clip"] for task in studio.of(row.project_id)) == waiting
    studio.submit(waiting[0], "after")
    synced(row)
    assert Annotation.objects.count() == 2
    assert references(answered) == [(1, "kept", "anna@example.org", True)]


def test_the_poll_asks_for_each_open_round_once(row: Round) -> None:
    first = sync.poll_open_rounds()
    assert [job.arguments for job in first] == [{"round_id": row.pk}]
    assert [job.pk for job in sync.poll_open_rounds()] == [job.pk for job in first]
    Job.objects.all().delete()
    close_round(round=row, by=None)
    Job.objects.all().delete()
    assert sync.poll_open_rounds() == []


def test_a_page_of_known_answers_costs_a_fixed_number_of_queries(
    row: Round, studio: FakeLabelStudio, django_assert_max_num_queries: Any
) -> None:
    for clip in clips_of(row):
        studio.submit(clip, "text")
    synced(row)
    with django_assert_max_num_queries(10):
        synced(row)


def test_progress_and_work_done(row: Round, studio: FakeLabelStudio, django_assert_num_queries: Any) -> None:
    one, two, three, *_ = clips_of(row)
    studio.submit(one, "text")
    studio.submit(two, skip=True, user=2)
    studio.submit(three, quality=["unintelligible"])
    synced(row)
    assert round_progress(row) == {
        "tasks": 6, "labelled": 1, "skipped": 1, "unintelligible": 1, "waiting": 3, "returned": 0,
        "adjudicate": 0, "known": 0,
        "seconds": 12.0, "labelled_seconds": 2.0,
    }  # fmt: skip
    other, _ = request_round(
        collection=heard_collection(2, slug="other"), budget_seconds=2.0, seed=1, by=None
    )
    with django_assert_num_queries(1):
        found = progress_of([row, other])
    assert found[row.pk].answered == 3
    assert found[other.pk].tasks == 0
    collection = row.collection
    with django_assert_num_queries(1):
        done = done_by_day(collection)
    assert [
        (each.annotator, each.submitted, each.skipped, each.seconds, each.lead_seconds) for each in done
    ] == [
        ("anna@example.org", 2, 0, 4.0, 7.0),
        ("bo@example.org", 1, 1, 2.0, 3.5),
    ]
    assert (
        project_url(row)
        == f"{settings.EARMARK.label_studio_public_url}/projects/{row.project_id}/data?labeling=1"
    )
