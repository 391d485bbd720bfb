"""The loop turns by itself: what is switched on is done once, in one transaction, and everybody can see why."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from annotation.models import Round, RoundClip
from earmark.accounts.models import AuditEntry, User
from earmark.corpus.models import Clip, Collection, Reference, Split
from earmark.jobs import running
from earmark.jobs.models import Job, Status
from earmark.loop import turning
from earmark.loop.deciding import Act, Reason
from earmark.loop.models import Policy, PolicyAct, Promotion
from earmark.loop.policies import policy_of, set_policy, settings_of
from earmark.loop.turning import standing, submit_turns, turn
from earmark.recognition.models import Hypothesis, HypothesisDetails, ModelVersion
from earmark.recognition.registry import holder, set_alias
from earmark.speech.errors import EarmarkError
from tests.loop.world import make_measured, measured
from tests.recognition.world import make_clip, make_collection, make_model
from training_jobs.models import Evaluation, TrainingJob

pytestmark = pytest.mark.django_db


def labelled(collection: Collection, *, clips: int = 3, first: int = 400) -> list[Clip]:
    """Clips of the train side that a person labelled, half a second each."""
    found = []
    for level in range(first, first + clips):
        clip = make_clip(collection, level, speaker="eve")
        Reference.objects.create(clip=clip, version=1, text="one two", kind=Reference.Kind.ANNOTATOR)
        found.append(clip)
    return found


def champion_of(collection: Collection, model: ModelVersion | None = None) -> ModelVersion:
    model = model or make_model()
    set_alias(collection=collection, name="champion", model=model, by=None)
    return model


def switched_on(collection: Collection, **changes: Any) -> Policy:
    return set_policy(collection=collection, changes=changes, by=None)


def trained(
    collection: Collection, model: ModelVersion | None, status: Status = Status.SUCCEEDED
) -> TrainingJob:
    """A training that has ended so."""
    row = TrainingJob.objects.filter(collection=collection).first()
    assert row is not None
    Job.objects.filter(pk=row.job_id).update(status=status, finished_at=timezone.now())
    TrainingJob.objects.filter(pk=row.pk).update(model=model)
    return row


def why(collection: Collection) -> dict[str, str]:
    found = standing(collection)
    assert not isinstance(found, Act), found
    return {one.rule: one.code for one in found}


def test_nothing_happens_before_an_admin_switches_it_on() -> None:
    collection = make_collection()
    labelled(collection)
    champion_of(collection)
    assert why(collection) == {"": "off"}
    switched_on(collection, train_minutes=0.1)
    assert (submit_turns(), turn(collection)) == ([], None)
    assert not PolicyAct.objects.exists()


def test_a_training_is_launched_once_on_the_same_labels() -> None:
    collection = make_collection()
    labelled(collection, clips=12)
    champion_of(collection)
    policy = switched_on(collection, train=True, train_minutes=0.2, recipe="supervised")
    assert standing(collection) == (
        Reason("train", "minutes", {"labelled": pytest.approx(0.1), "needed": 0.2}),
    )
    assert submit_turns() == []
    switched_on(collection, train_minutes=0.1)
    job, again = submit_turns()[0], submit_turns()[0]
    assert job == again, "one step at a time"
    assert running.run(job.pk) == Status.SUCCEEDED
    training = TrainingJob.objects.get(collection=collection)
    assert (training.recipe, training.created_by) == ("supervised", None)
    act = PolicyAct.objects.get()
    assert act.details == {"training": training.pk, "recipe": "supervised", "labelled_minutes": 0.1}
    entry = AuditEntry.objects.get(verb="train by policy")
    assert (entry.actor, entry.details["policy"]) == (None, policy.pk)
    assert entry.details["rule"] == "train when 0.1 min are newly labelled"
    assert turn(collection) is None
    assert turning._step(policy.pk, Act.TRAIN, timezone.now()) is None, "whoever comes second looks again"
    assert why(collection) == {"train": "running"}
    trained(collection, None, Status.FAILED)
    assert why(collection) == {"train": "minutes-after-failure"}
    assert submit_turns() == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_launch_one_training() -> None:
    collection = make_collection()
    labelled(collection, clips=12)
    champion_of(collection)
    switched_on(collection, train=True, train_minutes=0.1)
    ready = Barrier(2)

    def worker() -> PolicyAct | None:
        try:
            ready.wait()
            return turn(collection)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as both:
        done = [one.result() for one in [both.submit(worker) for _ in range(2)]]
    assert sum(one is not None for one in done) == 1
    assert TrainingJob.objects.filter(collection=collection).count() == 1
    assert PolicyAct.objects.filter(collection=collection).count() == 1


def test_killed_in_the_middle_of_a_step_nothing_of_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    collection = make_collection()
    labelled(collection, clips=12)
    champion_of(collection)
    switched_on(collection, train=True, train_minutes=0.1)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(turning, "audit", killed)
        with pytest.raises(KeyboardInterrupt):
            turn(collection)
    assert (TrainingJob.objects.count(), PolicyAct.objects.count()) == (0, 0)
    assert not Job.objects.filter(kind="training_jobs.train").exists()
    assert turn(collection) is not None
    assert TrainingJob.objects.count() == 1


def test_a_better_model_is_promoted_and_hears_the_pool() -> None:
    collection, snapshot = make_measured()
    champion_of(collection, measured(snapshot, {"scottish": 2, "american": 1}))
    labelled(collection, clips=12)
    switched_on(collection, train=True, train_minutes=0.1, promote=True, transcribe=True)
    assert [turn(collection).act for _ in range(2)] == [Act.TRANSCRIBE, Act.TRAIN]  # type: ignore[union-attr]
    better = measured(snapshot, {"scottish": 1, "american": 1})
    Evaluation.objects.filter(model=better).delete()
    trained(collection, better)
    act = turn(collection)
    assert act is not None
    assert (act.act, act.details["models"]) == (Act.MEASURE, [better.name])
    assert why(collection)["promote"] == "measuring"
    Job.objects.filter(kind="training_jobs.evaluate").update(status=Status.FAILED)
    assert why(collection)["promote"] == "measuring-failed"
    Evaluation.objects.create(
        model=better, snapshot=snapshot, error_rate=0.16, low=0.1, high=0.2, clips=60, seed=20, slices={}
    )
    act = turn(collection)
    assert act is not None
    assert (act.act, act.details["outcome"]) == (Act.PROMOTE, "better")
    row = Promotion.objects.get()
    assert (row.is_automatic, row.by) == (True, None)
    assert holder(collection, "champion") == better
    act = turn(collection)
    assert act is not None
    assert (act.act, act.details["model"]) == (Act.TRANSCRIBE, better.name)
    assert turn(collection) is None


def test_a_model_that_was_taken_back_is_not_promoted_again() -> None:
    from earmark.loop.promotion import roll_back

    collection, snapshot = make_measured()
    first = champion_of(collection, measured(snapshot, {"scottish": 2, "american": 1}))
    labelled(collection, clips=12)
    switched_on(collection, train=True, train_minutes=0.1, promote=True)
    assert turn(collection) is not None
    trained(collection, measured(snapshot, {"scottish": 1, "american": 1}))
    assert turn(collection) is not None
    roll_back(collection=collection, by=None)
    assert turn(collection) is None
    assert holder(collection, "champion") == first
    assert why(collection)["promote"] == "no-candidate"


def waiting_pool(collection: Collection, model: ModelVersion, *, clips: int) -> None:
    """Clips that may be asked."""
    for level in range(700, 700 + clips):
        clip = make_clip(collection, level, speaker="eve", state=Clip.State.HEARD)
        heard = Hypothesis.objects.create(clip=clip, model=model, text="one", confidence=0.5)
        HypothesisDetails.objects.create(hypothesis=heard, embedding=b"\0\x3c" * 8)


def test_rounds_are_closed_and_opened_within_the_months_budget() -> None:
    collection = make_collection()
    waiting_pool(collection, champion_of(collection), clips=3)
    switched_on(collection, open_rounds=True, round_minutes=2, monthly_minutes=5)
    for number in (1, 2):
        act = turn(collection)
        assert act is not None
        assert (act.act, act.details["round"]) == (Act.OPEN_ROUND, number)
        assert why(collection) == {"open_rounds": "opening"}
        row = Round.objects.get(collection=collection, number=number)
        assert (row.budget_seconds, row.created_by) == (120, None)
        Round.objects.filter(pk=row.pk).update(status=Round.Status.OPEN)
        place = RoundClip.objects.create(round=row, clip=collection.clips.first(), reason="strategy", score=1)
        assert why(collection) == {"open_rounds": "open"}
        RoundClip.objects.filter(pk=place.pk).update(outcome="labelled")
        act = turn(collection)
        assert act is not None
        assert act.act == Act.CLOSE_ROUND
    assert why(collection) == {"open_rounds": "budget"}
    Round.objects.filter(number=1).update(created_at=timezone.now() - timedelta(days=40))
    assert standing(collection) is Act.OPEN_ROUND, "another month, another budget"


def test_a_round_that_could_not_be_opened_is_said_so_and_costs_nothing_once_closed() -> None:
    collection = make_collection()
    waiting_pool(collection, champion_of(collection), clips=3)
    switched_on(collection, open_rounds=True, round_minutes=2, monthly_minutes=3)
    act = turn(collection)
    assert act is not None
    Job.objects.filter(pk=act.details["job"]).update(status=Status.FAILED, finished_at=timezone.now())
    assert why(collection) == {"open_rounds": "opening-failed"}
    Round.objects.update(status=Round.Status.CLOSED)
    assert standing(collection) is Act.OPEN_ROUND


def test_people_are_asked_no_more_when_labels_bring_too_little() -> None:
    collection, snapshot = make_measured()
    first, second = (measured(snapshot, {"scottish": n, "american": 1}) for n in (2, 1))
    champion_of(collection, second)
    waiting_pool(collection, second, clips=2)
    clips = labelled(collection, clips=2)
    Clip.objects.filter(pk__in=[clip.pk for clip in clips]).update(seconds=20)
    for number, model in ((1, first), (2, second)):
        row = Round.objects.create(
            collection=collection, number=number, strategy="s", budget_seconds=60, audit_share=0, seed=1, model=model,
            status=Round.Status.CLOSED,
        )  # fmt: skip
        RoundClip.objects.create(
            round=row, clip=clips[number - 1], reason="strategy", score=1, outcome=RoundClip.Outcome.LABELLED
        )
    policy = switched_on(
        collection, open_rounds=True, stop=True, stop_rounds=2, stop_gain=100, train_minutes=9
    )
    gained = turning.state_of(policy, now=timezone.now())
    assert gained.gain == pytest.approx(1 / 12)
    assert gained.gain_hours == pytest.approx(40 / 3600)
    assert standing(collection) is Act.OPEN_ROUND, "750 points an hour are worth it"
    Evaluation.objects.filter(model=second).update(error_rate=0.2499)
    assert why(collection) == {"open_rounds": "stopped", "stop": "stopped"}
    Round.objects.filter(number=1).delete()
    assert standing(collection) is Act.OPEN_ROUND, "one round tells nothing"


def test_what_fails_is_held_told_and_tried_again_when_the_policy_changes() -> None:
    collection = make_collection()
    labelled(collection, clips=12)
    model = champion_of(collection)
    ModelVersion.objects.filter(pk=model.pk).update(engine="whisper")
    switched_on(collection, train=True, train_minutes=0.1)
    assert turn(collection) is None
    assert turn(collection) is None
    policy = policy_of(collection)
    assert (policy.held_act, policy.held_error_id) == ("train", "training:base:engine")
    assert "whisper" in policy.held_error
    assert why(collection) == {"train": "held"}
    assert submit_turns() == []
    assert AuditEntry.objects.filter(verb="train by policy failed").count() == 1
    assert len(submit_turns(now=timezone.now() + 2 * turning.HOLD)) == 1
    ModelVersion.objects.filter(pk=model.pk).update(engine="glm-asr")
    switched_on(collection, recipe="supervised")
    assert turn(collection) is not None


def test_a_step_that_ends_in_a_defect_is_not_repeated_every_half_minute() -> None:
    collection = make_collection()
    labelled(collection, clips=12)
    champion_of(collection)
    switched_on(collection, train=True, train_minutes=0.1)
    job = submit_turns()[0]
    Job.objects.filter(pk=job.pk).update(status=Status.FAILED, finished_at=timezone.now())
    assert submit_turns() == []
    assert len(submit_turns(now=timezone.now() + 2 * turning.HOLD)) == 1


@pytest.mark.parametrize(
    ("changes", "error_id"),
    [
        ({"trian": True}, "loop:policy:unknown"),
        ({"train": 1}, "loop:policy:type"),
        ({"train_minutes": "30"}, "loop:policy:type"),
        ({"stop_rounds": 2.5}, "loop:policy:type"),
        ({"recipe": 3}, "loop:policy:type"),
        ({"overrides": []}, "loop:policy:type"),
        ({"train_minutes": 0}, "loop:policy:range"),
        ({"audit_share": 1.5}, "loop:policy:range"),
        ({"monthly_minutes": float("nan")}, "loop:policy:range"),
        ({"open_rounds": True, "round_minutes": 50, "monthly_minutes": 40}, "loop:policy:range"),
        ({"recipe": "magic"}, "training:recipe:unknown"),
        ({"overrides": {"learning_rat": 1}}, "training:recipe:unknown-option"),
        ({"strategy": "os.system"}, "annotation:strategy:unknown"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_whole(changes: dict[str, Any], error_id: str) -> None:
    collection = make_collection()
    with pytest.raises(EarmarkError) as told:
        set_policy(collection=collection, changes={"promote": True, **changes}, by=None)
    assert told.value.error_id == error_id
    assert not policy_of(collection).promote


def test_who_changed_what_of_a_policy_is_on_record() -> None:
    collection = make_collection()
    by = User.objects.create_user(username="ada", email="ada@example.org", password="x")
    policy = set_policy(collection=collection, changes={"train": True, "train_minutes": 12}, by=by)
    entry = AuditEntry.objects.get(verb="change policy")
    assert entry.actor == policy.changed_by == by
    assert entry.details["changed"] == {"train": [False, True], "train_minutes": [30.0, 12.0]}
    assert settings_of(policy)["train"] is True
    set_policy(collection=collection, changes={"train": True}, by=by)
    assert AuditEntry.objects.filter(verb="change policy").count() == 1


def test_the_test_side_is_no_label_to_learn_from() -> None:
    collection = make_collection()
    clip = make_clip(collection, 3, split=Split.TEST, speaker="tess")
    Reference.objects.create(clip=clip, version=1, text="one", kind=Reference.Kind.ANNOTATOR)
    switched_on(collection, train=True)
    assert turning.state_of(policy_of(collection), now=timezone.now()).labelled_seconds == 0
