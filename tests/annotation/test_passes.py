"""Passes: who is asked what when a round opens, what several answers amount to, who is asked instead."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from annotation import sync
from annotation.models import Annotation, Round, RoundClip
from annotation.queries import progress_of, queue_url, stuck
from annotation.rerouting import reroute_round, rounds_to_reroute, start_rerouting
from annotation.review_models import Decision, LabellingPlan
from annotation.rounds import close_round, open_round, request_round
from annotation.routing_models import Annotator, Pass, RoutingRule
from earmark.accounts.models import User
from earmark.corpus.models import Clip, Collection, Reference
from earmark.corpus.references import set_reference
from earmark.jobs.models import Job
from tests.annotation.fake_label_studio import FakeLabelStudio
from tests.annotation.world import TestContext, heard_collection

pytestmark = pytest.mark.django_db

Outcome = RoundClip.Outcome


def annotator(collection: Collection, name: str, **changed: Any) -> Annotator:
    user, _ = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.org"})
    return Annotator.objects.create(collection=collection, user=user, **changed)


def rule(collection: Collection, **changed: Any) -> RoutingRule:
    position = RoutingRule.objects.filter(collection=collection).count()
    return RoutingRule.objects.create(collection=collection, position=position, name="rule", **changed)


def opened(collection: Collection, **changed: Any) -> Round:
    arguments: dict[str, Any] = {"budget_seconds": 12.0, "audit_share": 0.0, "seed": 1, "by": None}
    row, _ = request_round(collection=collection, **(arguments | changed))
    open_round(TestContext(), round_id=row.pk)
    row.refresh_from_db()
    return row


def synced(row: Round) -> dict[str, Any]:
    return sync.sync_round(TestContext(), round_id=row.pk)


def rerouted(row: Round) -> dict[str, Any]:
    return reroute_round(TestContext(), round_id=row.pk)


def outcome(row: Round, clip: int) -> str:
    return row.clips.get(clip_id=clip).outcome


@pytest.fixture
def collection(studio: FakeLabelStudio) -> Collection:
    return heard_collection(8)


def test_without_annotators_on_record_every_pass_is_anybodys(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    row = opened(collection)
    assert {one.routing for one in row.passes.all()} == {Pass.Routing.OPEN}
    assert {task["data"]["for"] for task in studio.of(row.project_id)} == {""}
    assert not studio.views


def test_each_annotator_has_a_queue_of_their_own_in_our_order(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    anna, bo = annotator(collection, "anna"), annotator(collection, "bo")
    row = opened(collection)
    queues = {one.annotator: one.view_id for one in row.queues.all()}
    assert queues.keys() == {anna, bo}
    served = {who: [task["data"]["clip"] for task in studio.served_to(view)] for who, view in queues.items()}
    assert len(served[anna]) == len(served[bo]) == 3
    assert not set(served[anna]) & set(served[bo])
    for who, clips in served.items():
        expected = Pass.objects.filter(annotator=who).order_by("place")
        assert clips == list(expected.values_list("round_clip__clip_id", flat=True))
        assert queue_url(who, row).endswith(f"/projects/{row.project_id}/data?tab={queues[who]}&labeling=1")


def test_overlap_asks_different_people_and_hides_the_first_text(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    for name in ("anna", "bo", "chen"):
        annotator(collection, name)
    rule(collection, people=3, is_blind=True)
    row = opened(collection)
    assert set(row.clips.values_list("wanted", flat=True)) == {3}
    for one in row.clips.all():
        assert len({each.annotator_id for each in one.passes.all()}) == 3
        boxes = [studio.task_of(one.clip_id, number)["predictions"][0]["result"] for number in (1, 2, 3)]
        assert [bool(box) for box in boxes] == [True, False, False], "nothing in the box of the blind"


def test_the_plans_share_is_transcribed_from_nothing(collection: Collection, studio: FakeLabelStudio) -> None:
    LabellingPlan.objects.create(collection=collection, control_share=0.5)
    row = opened(collection)
    blind = list(row.passes.filter(is_blind=True))
    assert len(blind) == 3
    clip = blind[0].round_clip.clip_id
    assert studio.task_of(clip)["predictions"][0]["result"] == []
    studio.submit(clip, "from nothing")
    synced(row)
    answer = Annotation.objects.get()
    assert (answer.is_blind, answer.hypothesis_id, answer.of_pass) == (True, None, blind[0])
    assert outcome(row, clip) == Outcome.LABELLED


def test_clips_whose_answer_is_known_measure_people_and_change_nothing(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    LabellingPlan.objects.create(collection=collection, known_share=0.5)
    settled = list(collection.clips.order_by("-pk")[:2])
    for clip in settled:
        set_reference(clip_id=clip.pk, text="settled", kind=Reference.Kind.ADJUDICATED, author="rev")
    imported = collection.clips.order_by("pk")[0]
    set_reference(clip_id=imported.pk, text="so", kind=Reference.Kind.IMPORTED, author="")
    row = opened(collection, budget_seconds=8.0)
    known = row.clips.filter(reason=RoundClip.Reason.KNOWN)
    assert {one.clip for one in known} == set(settled)
    assert row.clips.count() == 4 + 2, "over and above the budget"
    shapes = {frozenset(task["data"]) for task in studio.of(row.project_id)}
    assert len(shapes) == 1, "nothing in the task tells it from others"
    places = {one.passes.get().place for one in row.clips.exclude(reason=RoundClip.Reason.KNOWN)}
    assert {one.passes.get().place for one in known} <= places, "they stand where others stand"
    studio.submit(settled[0].pk, "something else")
    studio.submit(settled[1].pk, skip=True)
    synced(row)
    assert {outcome(row, clip.pk) for clip in settled} == {Outcome.LABELLED, Outcome.SKIPPED}
    assert set(Clip.objects.filter(pk__in=[one.pk for one in settled]).values_list("state", flat=True)) == {
        Clip.State.LABELLED
    }
    assert set(Reference.objects.filter(clip__in=settled).values_list("text", "version")) == {("settled", 1)}
    told = progress_of([row])[row.pk]
    assert (told.tasks, told.labelled, told.known, told.seconds) == (4, 0, 2, 8.0)
    close_round(round=row, by=None)
    assert Clip.objects.get(pk=settled[1].pk).state == Clip.State.LABELLED


def two_people(collection: Collection) -> Round:
    for name in ("anna", "bo"):
        annotator(collection, name)
    rule(collection, people=2)
    return opened(collection)


@pytest.mark.parametrize(
    ("first", "second", "expected", "kind"),
    [
        ({"text": "Turn it on."}, {"text": "turn it on"}, Outcome.LABELLED, Reference.Kind.CONSENSUS),
        ({"text": "turn it on"}, {"text": "turn it off"}, Outcome.ADJUDICATE, None),
        ({"text": "turn it on"}, {"skip": True}, Outcome.ADJUDICATE, None),
        ({"text": "turn it on"}, {"quality": ["unintelligible"]}, Outcome.ADJUDICATE, None),
        ({"skip": True}, {"skip": True}, Outcome.SKIPPED, None),
        ({"quality": ["unintelligible"]}, {"quality": ["unintelligible"]}, Outcome.UNINTELLIGIBLE, None),
        ({"quality": ["silence"]}, {"quality": ["silence"]}, Outcome.LABELLED, Reference.Kind.CONSENSUS),
    ],
)
def test_what_two_answers_amount_to(
    collection: Collection,
    studio: FakeLabelStudio,
    first: dict[str, Any],
    second: dict[str, Any],
    expected: str,
    kind: str | None,
) -> None:
    row = two_people(collection)
    clip = row.clips.order_by("clip_id")[0].clip_id
    studio.submit(clip, number=1, user=1, **first)
    synced(row)
    assert outcome(row, clip) == Outcome.WAITING, "one of two"
    assert not Reference.objects.exists()
    studio.submit(clip, number=2, user=2, **second)
    synced(row)
    assert outcome(row, clip) == expected
    found = Reference.objects.filter(clip=clip, is_current=True).first()
    assert (found and found.kind) == kind
    if expected == Outcome.ADJUDICATE:
        assert Clip.objects.get(pk=clip).state == Clip.State.IN_ROUND
        close_round(round=row, by=None)
        assert outcome(row, clip) == Outcome.ADJUDICATE, "it still waits for whoever adjudicates"


def test_one_person_answering_two_passes_counts_once_and_another_is_asked(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    row = two_people(collection)
    annotator(collection, "chen")
    clip = row.clips.order_by("clip_id")[0].clip_id
    for number in (1, 2):
        studio.submit(clip, "turn it on", number=number, user=1)
    synced(row)
    assert outcome(row, clip) == Outcome.WAITING
    third = Pass.objects.get(round_clip__clip=clip, number=3)
    assert third.routing == Pass.Routing.STUCK
    rerouted(row)
    third.refresh_from_db()
    assert third.annotator.user.username in ("bo", "chen")
    studio.submit(clip, "turn it on", number=3, user=2)
    synced(row)
    assert outcome(row, clip) == Outcome.LABELLED


def test_when_a_round_ends_what_came_decides(collection: Collection, studio: FakeLabelStudio) -> None:
    row = two_people(collection)
    clip, other, *_ = list(row.clips.order_by("clip_id").values_list("clip_id", flat=True))
    studio.submit(clip, "turn it on", number=2, user=1)
    synced(row)
    close_round(round=row, by=None)
    assert outcome(row, clip) == Outcome.LABELLED
    assert Reference.objects.get().kind == Reference.Kind.ANNOTATOR
    assert outcome(row, other) == Outcome.RETURNED
    assert not row.passes.filter(status=Pass.Status.WAITING).exists()


def test_a_deleted_answer_is_asked_for_again(collection: Collection, studio: FakeLabelStudio) -> None:
    row = two_people(collection)
    clip = row.clips.order_by("clip_id")[0].clip_id
    given = studio.submit(clip, "turn it on", number=1, user=1)
    synced(row)
    assert row.passes.get(round_clip__clip=clip, number=1).status == Pass.Status.DONE
    studio.delete_annotation(clip, given, number=1)
    synced(row)
    assert row.passes.get(round_clip__clip=clip, number=1).status == Pass.Status.WAITING


def test_a_returned_answer_counts_again_once_it_is_changed(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    row = opened(collection)
    clip = row.clips.order_by("clip_id")[0].clip_id
    given = studio.submit(clip, "turn it on")
    synced(row)
    one = row.passes.get(round_clip__clip=clip)
    Pass.objects.filter(pk=one.pk).update(status=Pass.Status.WAITING, returned_at=studio.now, done_at=None)
    RoundClip.objects.filter(pk=one.round_clip_id).update(outcome=Outcome.WAITING)
    Round.objects.update(synced_until=None)
    synced(row)
    assert outcome(row, clip) == Outcome.WAITING, "the same answer as was returned"
    studio.edit(clip, given, "turn it off")
    synced(row)
    assert outcome(row, clip) == Outcome.LABELLED
    one.refresh_from_db()
    assert one.status == Pass.Status.DONE


def test_what_a_reviewer_decided_stays(collection: Collection, studio: FakeLabelStudio) -> None:
    row = opened(collection)
    place = row.clips.order_by("clip_id")[0]
    given = studio.submit(place.clip_id, "turn it on")
    synced(row)
    reviewer = User.objects.create(username="rev", email="rev@example.org")
    Decision.objects.create(round_clip=place, kind=Decision.Kind.CORRECT, text="turn it up", by=reviewer)
    set_reference(
        clip_id=place.clip_id, text="turn it up", kind=Reference.Kind.ADJUDICATED, author=reviewer.username
    )
    studio.edit(place.clip_id, given, "turn it off")
    assert synced(row)["annotations"] == 1
    assert Reference.objects.get(is_current=True).text == "turn it up"
    assert Annotation.objects.get().text == "turn it off", "the answer is kept all the same"


def test_nobody_able_is_shown_with_the_reason_and_not_sent(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    annotator(collection, "anna", languages=["zh"])
    row = opened(collection)
    assert not studio.of(row.project_id)
    (told,) = stuck(row)
    assert (told.because, told.language, told.dialect, told.passes) == ("language", "en", "scottish", 6)
    bo = annotator(collection, "bo", languages=["en"])
    assert rerouted(row)["moved"] == 6
    assert len(studio.of(row.project_id)) == 6
    assert len(studio.served_to(row.queues.get(annotator=bo).view_id)) == 6
    assert not stuck(row)


def test_who_goes_away_keeps_what_they_began(collection: Collection, studio: FakeLabelStudio) -> None:
    anna, bo = annotator(collection, "anna"), annotator(collection, "bo")
    row = opened(collection)
    mine = list(Pass.objects.filter(annotator=anna).order_by("place"))
    studio.drafts = {mine[0].task_id}
    studio.submit(mine[1].round_clip.clip_id, "done", user=1)
    synced(row)
    today = timezone.now().date()
    Annotator.objects.filter(pk=anna.pk).update(away_from=today)
    assert list(rounds_to_reroute(today=today)) == [row]
    assert rerouted(row)["readdressed"] == 1
    assert set(Pass.objects.filter(annotator=anna)) == {mine[0], mine[1]}
    moved = studio.task_of(mine[2].round_clip.clip_id)
    assert moved["data"]["for"] == bo.address
    assert moved["id"] == mine[2].task_id, "it is the same task"
    before = list(row.passes.values_list("pk", "annotator_id"))
    again = rerouted(row)
    assert (again["moved"], again["readdressed"], again["sent"]) == (0, 0, 0)
    assert list(row.passes.values_list("pk", "annotator_id")) == before


def test_edited_rules_hold_for_what_nobody_has_begun(collection: Collection, studio: FakeLabelStudio) -> None:
    for name in ("anna", "bo"):
        annotator(collection, name)
    row = opened(collection)
    touched, *rest = row.clips.order_by("clip_id")
    studio.submit(touched.clip_id, "done")
    synced(row)
    twice = rule(collection, people=2, is_blind=True)
    done = rerouted(row)
    assert done["added"] == done["sent"] == 5
    touched.refresh_from_db()
    assert (touched.wanted, touched.passes.count()) == (1, 1)
    for one in rest:
        one.refresh_from_db()
        assert one.wanted == 2
        assert [each.is_blind for each in one.passes.order_by("number")] == [False, True]
        assert one.passes.values("annotator").distinct().count() == 2
    twice.delete()
    done = rerouted(row)
    assert done["removed"] == done["deleted"] == 5
    assert len(studio.of(row.project_id)) == 6
    assert set(row.clips.values_list("wanted", flat=True)) == {1}


def test_every_open_round_is_rerouted_by_a_job_of_its_own(collection: Collection) -> None:
    row = opened(collection)
    Job.objects.all().delete()
    (job,) = start_rerouting(collection=collection)
    assert (job.kind, job.arguments) == ("annotation.reroute", {"round_id": row.pk})
    close_round(round=row, by=None)
    assert not start_rerouting(collection=collection)


@pytest.mark.parametrize(
    ("away", "expected"),
    [
        ({}, True),
        ({"away_from": date(2026, 12, 1)}, False),
        ({"away_from": date(2026, 12, 2)}, True),
        ({"away_from": date(2026, 11, 1), "away_until": date(2026, 11, 30)}, True),
        ({"away_from": date(2026, 11, 1), "away_until": date(2026, 12, 1)}, False),
        ({"away_until": date(2026, 12, 1)}, False),
        ({"away_until": date(2026, 11, 30)}, True),
        ({"is_active": False}, False),
    ],
)
def test_who_is_here(away: dict[str, Any], expected: bool) -> None:
    assert Annotator(**away).is_here(date(2026, 12, 1)) is expected


def test_server_time_counts_from_the_same_persons_submission_before(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    LabellingPlan.objects.create(collection=collection, idle_seconds=20)
    row = opened(collection)
    clips = list(row.clips.order_by("-clip_id").values_list("clip_id", flat=True))
    for clip, pause in zip(clips, (0, 9, 5, 50, 9, 3), strict=True):
        studio.now += timedelta(seconds=pause)
        studio.submit(clip, "text", user=2 if clip == clips[2] else 1)
    synced(row)
    taken = {one.round_clip.clip_id: one.server_seconds for one in Annotation.objects.all()}
    assert [taken[clip] for clip in clips] == [None, 12.0, None, None, 12.0, 6.0]
    # the third is somebody else's first; before the fourth lie more than 20 s and the clip's own 2
