"""Opening and closing rounds, against a Label Studio in memory."""

from typing import Any

import pytest
from django.conf import settings

from annotation import passes, publishing, rounds
from annotation.acquisition import choose
from annotation.models import Round, RoundClip
from annotation.pool import read_pool
from annotation.rounds import close_round, open_round, request_round, start_sync, submit_opening
from earmark.accounts.models import AuditEntry
from earmark.corpus.models import Clip, Collection, Reference, Split
from earmark.corpus.references import set_reference
from earmark.jobs.models import Job, Status
from earmark.jobs.registry import Later
from earmark.recognition.champion_shown import submit_following
from earmark.recognition.models import Hypothesis
from earmark.speech.errors import EarmarkError
from tests.annotation.fake_label_studio import FakeLabelStudio
from tests.annotation.world import Killed, TestContext, heard_collection

pytestmark = pytest.mark.django_db

Outcome = RoundClip.Outcome


def requested(collection: Collection, **changed: Any) -> Round:
    arguments: dict[str, Any] = {"budget_seconds": 16.0, "audit_share": 0.25, "seed": 1, "by": None}
    return request_round(collection=collection, **(arguments | changed))[0]


def opened(collection: Collection, **changed: Any) -> Round:
    row = requested(collection, **changed)
    open_round(TestContext(), round_id=row.pk)
    row.refresh_from_db()
    return row


def test_a_round_spends_its_budget_on_the_pool(studio: FakeLabelStudio) -> None:
    collection = heard_collection(20)
    row = opened(collection)
    assert row.status == Round.Status.OPEN
    assert row.clips.count() == 8
    assert row.clips.filter(reason=RoundClip.Reason.AUDIT).count() == 2
    chosen = Clip.objects.filter(round_clips__round=row)
    assert set(chosen.values_list("state", flat=True)) == {Clip.State.IN_ROUND}
    assert collection.clips.filter(state=Clip.State.HEARD).count() == 12
    by_strategy = row.clips.filter(reason=RoundClip.Reason.STRATEGY)
    doubted = sorted(by_strategy.values_list("hypothesis__confidence", flat=True))
    assert doubted[-1] < 0.6, "the least confident, but for what the audit drew"


def test_each_clip_becomes_one_task_with_what_the_editor_needs(studio: FakeLabelStudio) -> None:
    row = opened(heard_collection(20))
    tasks = {task["data"]["clip"]: task for task in studio.of(row.project_id)}
    assert len(tasks) == 8
    for one in row.clips.select_related("hypothesis"):
        task = tasks[one.clip_id]
        assert one.passes.get().task_id == task["id"]
        assert task["data"]["round"] == row.pk
        assert task["data"]["audio"].startswith(f"{settings.EARMARK.site_url}/audio/")
        assert "?sig=" in task["data"]["audio"]
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == "tiny-1"
        assert prediction["result"][0]["value"] == {"text": ["turn on the light"]}
        if one.reason == RoundClip.Reason.STRATEGY:
            assert prediction["score"] == one.hypothesis.confidence
    project = studio.projects[row.project_id]
    assert project["sampling"] == "Uncertainty sampling"
    assert project["model_version"] == "tiny-1"
    assert studio.hooks[row.project_id].url == f"{settings.EARMARK.site_url}/hooks/label-studio/{row.pk}/"


def test_audited_clips_are_spread_over_the_queue(studio: FakeLabelStudio) -> None:
    collection = heard_collection(60)
    row = opened(collection, budget_seconds=100.0, audit_share=0.4)
    places = passes.queue_places(list(row.clips.select_related("hypothesis")), row.seed)
    audited = row.clips.filter(reason=RoundClip.Reason.AUDIT).select_related("hypothesis")
    others = row.clips.filter(reason=RoundClip.Reason.STRATEGY).select_related("hypothesis")
    confidences = {one.hypothesis.confidence for one in others}
    assert {places[one.pk] for one in audited} <= confidences, "they stand where others stand"
    assert any(places[one.pk] != one.hypothesis.confidence for one in audited)
    assert all(places[one.pk] == one.hypothesis.confidence for one in others)


@pytest.mark.parametrize("step", range(1, 6))
def test_killed_at_any_step_and_run_again_nothing_is_sent_twice(
    studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(publishing, "BATCH", 2)
    row = requested(heard_collection(20))
    with pytest.raises(Killed):
        open_round(TestContext(kill_at=step), round_id=row.pk)
    chosen = set(row.clips.values_list("clip_id", flat=True))
    sent = studio.calls.count("import_tasks")
    assert sent == min(step - 1, 4)
    open_round(TestContext(), round_id=row.pk)
    row.refresh_from_db()
    assert row.status == Round.Status.OPEN
    assert set(row.clips.values_list("clip_id", flat=True)) == chosen, "the choice is kept"
    assert sorted(task["data"]["clip"] for task in studio.of(row.project_id)) == sorted(chosen)
    assert studio.calls.count("import_tasks") == 4
    assert len(studio.projects) == 1


def test_a_project_made_just_before_a_kill_is_found_again(studio: FakeLabelStudio) -> None:
    row = requested(heard_collection(20))

    def die() -> None:
        raise Killed

    studio.before["tasks"] = die
    with pytest.raises(Killed):
        open_round(TestContext(), round_id=row.pk)
    Round.objects.filter(pk=row.pk).update(project_id=None)
    studio.before.clear()
    open_round(TestContext(), round_id=row.pk)
    assert len(studio.projects) == 1


def test_an_import_that_outlived_its_sender_leaves_no_second_task(studio: FakeLabelStudio) -> None:
    row = requested(heard_collection(20))
    late: list[dict[str, Any]] = []
    real = studio.import_tasks

    def both(project: int, tasks: list[dict[str, Any]]) -> list[int]:
        if not late:
            late.append({})
            real(project, tasks)
        return real(project, tasks)

    studio.import_tasks = both  # type: ignore[method-assign]
    open_round(TestContext(), round_id=row.pk)
    row.refresh_from_db()
    clips = [task["data"]["clip"] for task in studio.of(row.project_id)]
    assert len(clips) == len(set(clips)) == 8
    assert set(row.passes.values_list("task_id", flat=True)) == set(studio.store)


def test_label_studio_away_is_waited_for(studio: FakeLabelStudio) -> None:
    studio.failing = ["find_project", "import_tasks", "update_project"]
    row = opened(heard_collection(20))
    assert row.status == Round.Status.OPEN
    assert len(studio.of(row.project_id)) == 8


def test_label_studio_away_for_long_fails_with_its_error_and_keeps_the_choice(
    studio: FakeLabelStudio,
) -> None:
    studio.failing = ["find_project"] * 50
    row = requested(heard_collection(20))
    with pytest.raises(EarmarkError) as caught:
        open_round(TestContext(), round_id=row.pk)
    assert caught.value.error_id == "annotation:label-studio:unreachable"
    assert row.clips.count() == 8
    studio.failing = []
    open_round(TestContext(), round_id=row.pk)
    assert len(studio.store) == 8


def test_a_project_number_of_a_lost_label_studio_passes_to_the_new_one(studio: FakeLabelStudio) -> None:
    collection = heard_collection(20)
    old = opened(collection, budget_seconds=4.0)
    close_round(round=old, by=None)
    studio.__init__()  # type: ignore[misc]  # everything there is lost, numbers begin again
    new = opened(collection, budget_seconds=4.0)
    old.refresh_from_db()
    assert (old.project_id, new.project_id) == (None, 1)


@pytest.mark.parametrize(
    ("changed", "error_id"),
    [
        ({"budget_seconds": 0.0}, "annotation:round:budget"),
        ({"budget_seconds": float("inf")}, "annotation:round:budget"),
        ({"audit_share": 1.1}, "annotation:round:audit-share"),
        ({"strategy": "os.system"}, "annotation:strategy:unknown"),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(changed: dict[str, Any], error_id: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        requested(heard_collection(2), **changed)
    assert caught.value.error_id == error_id
    assert not Round.objects.exists()
    assert not Job.objects.exists()


def test_a_pool_with_nothing_to_ask_says_so() -> None:
    with pytest.raises(EarmarkError) as caught:
        requested(heard_collection(3, split=Split.TEST))
    assert caught.value.error_id == "annotation:round:nothing-to-ask"


def test_a_budget_below_any_clip_says_so(studio: FakeLabelStudio) -> None:
    row = requested(heard_collection(3), budget_seconds=0.5)
    with pytest.raises(EarmarkError) as caught:
        open_round(TestContext(), round_id=row.pk)
    assert caught.value.error_id == "annotation:round:nothing-to-ask"
    assert not studio.projects


def test_only_waiting_clips_of_the_training_side_are_asked(studio: FakeLabelStudio) -> None:
    collection = heard_collection(10)
    heard_collection(3, split=Split.DEV)
    heard_collection(3, split=Split.TEST)
    asked, labelled, unintelligible, skipped, given_up, unheard, *rest = collection.clips.filter(
        split=Split.TRAIN
    ).order_by("pk")
    Clip.objects.filter(pk=asked.pk).update(state=Clip.State.IN_ROUND)
    set_reference(clip_id=labelled.pk, text="known", kind=Reference.Kind.IMPORTED, author="")
    Clip.objects.filter(pk=unintelligible.pk).update(state=Clip.State.UNINTELLIGIBLE)
    Clip.objects.filter(pk__in=[skipped.pk, given_up.pk]).update(state=Clip.State.SKIPPED)
    Hypothesis.objects.filter(clip=unheard).delete()
    past = [Round.objects.create(
        collection=collection, number=number, strategy="s", budget_seconds=1, audit_share=0, seed=0,
        model_id=Hypothesis.objects.values_list("model_id", flat=True)[0], status=Round.Status.CLOSED,
    ) for number in (1, 2)]  # fmt: skip
    RoundClip.objects.create(round=past[0], clip=skipped, reason="strategy", score=1, outcome=Outcome.SKIPPED)
    for row in past:
        RoundClip.objects.create(
            round=row, clip=given_up, reason="strategy", score=1, outcome=Outcome.SKIPPED
        )

    eligible = read_pool(collection, past[0].model)
    assert list(eligible.clips) == sorted([skipped.pk, *(one.pk for one in rest)])
    assert len(eligible.pool) == len(eligible.hypotheses) == 5


def test_the_pool_carries_what_strategies_read() -> None:
    collection = heard_collection(5)
    first = Hypothesis.objects.order_by("clip_id")[0]
    Hypothesis.objects.filter(pk=first.pk).update(flags=["loop", "silence"], text="ab")
    pool = read_pool(collection, first.model).pool
    assert list(pool.flagged("loop")) == [True, False, False, False, False]
    assert not pool.flagged("truncated").any()
    assert pool.characters[0] == 2
    assert list(pool.speaker) == [0, 1, 2, 3, 0]
    assert list(pool.seconds) == [2.0] * 5


def test_a_round_waits_until_every_clip_shows_what_the_champion_says(studio: FakeLabelStudio) -> None:
    collection = heard_collection()
    row, _job = request_round(collection=collection, budget_seconds=30, seed=1, by=None)
    following = submit_following(collection=collection, by=None)
    with pytest.raises(Later):
        open_round(TestContext(), round_id=row.pk)
    assert not row.clips.exists(), "half of them would be chosen by the rates of the champion before"
    Job.objects.filter(pk=following.pk).update(status=Status.SUCCEEDED)
    assert open_round(TestContext(), round_id=row.pk)["tasks"] > 0


def test_rounds_are_numbered_in_their_collection(studio: FakeLabelStudio) -> None:
    one, two = heard_collection(9, slug="one"), heard_collection(9, slug="two")
    numbers = [requested(of, budget_seconds=2.0).number for of in (one, two, one)]
    assert numbers == [1, 1, 2]


def test_two_rounds_never_ask_the_same_clip(studio: FakeLabelStudio) -> None:
    collection = heard_collection(20)
    rows = [requested(collection, budget_seconds=20.0, seed=seed) for seed in (1, 2)]
    for row in rows:
        open_round(TestContext(), round_id=row.pk)
    clips = list(RoundClip.objects.values_list("clip_id", flat=True))
    assert len(clips) == len(set(clips)) == 20


@pytest.mark.parametrize("how", [{"is_fit": False, "unfit": "by_hand"}, {"is_current": False}])
def test_what_is_set_aside_while_a_round_chooses_is_not_asked(
    studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    row = requested(heard_collection(20), budget_seconds=100.0)
    gone = Clip.objects.order_by("pk")[0]

    def chosen(*args: Any, **options: Any) -> Any:
        picks = choose(*args, **options)
        Clip.objects.filter(pk=gone.pk).update(**how)
        return picks

    monkeypatch.setattr(rounds, "choose", chosen)
    open_round(TestContext(), round_id=row.pk)
    asked = set(RoundClip.objects.values_list("clip_id", flat=True))
    assert len(asked) == 19
    assert gone.pk not in asked


def test_closing_returns_what_nobody_answered(studio: FakeLabelStudio) -> None:
    row = opened(heard_collection(20))
    answered = row.clips.first()
    RoundClip.objects.filter(pk=answered.pk).update(outcome=Outcome.LABELLED)
    Clip.objects.filter(pk=answered.clip_id).update(state=Clip.State.LABELLED)
    close_round(round=row, by=None)
    row.refresh_from_db()
    assert row.status == Round.Status.CLOSED
    assert row.closed_at is not None
    assert row.clips.filter(outcome=Outcome.RETURNED).count() == 7
    assert Clip.objects.filter(state=Clip.State.HEARD).count() == 19
    assert AuditEntry.objects.filter(verb="close round").count() == 1
    close_round(round=row, by=None)
    assert AuditEntry.objects.filter(verb="close round").count() == 1, "closing again changes nothing"


def test_a_round_closed_while_it_opens_stays_closed(studio: FakeLabelStudio) -> None:
    row = requested(heard_collection(20))
    close_round(round=row, by=None)
    open_round(TestContext(), round_id=row.pk)
    row.refresh_from_db()
    assert row.status == Round.Status.CLOSED
    assert not studio.projects


def test_asking_for_the_same_job_twice_is_one_job(studio: FakeLabelStudio) -> None:
    collection = heard_collection(20)
    row, job = request_round(collection=collection, budget_seconds=9.0, seed=1, by=None)
    assert submit_opening(row).pk == job.pk
    with pytest.raises(EarmarkError) as caught:
        start_sync(round=row)
    assert caught.value.error_id == "annotation:round:not-open"
    open_round(TestContext(), round_id=row.pk)
    row.refresh_from_db()
    assert start_sync(round=row).pk == start_sync(round=row, delay_seconds=2.0).pk
