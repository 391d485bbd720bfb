"""An answer typed on the desk counts like one from Label Studio, once, whatever comes from there later."""

import pytest

from annotation import sync
from annotation.desk import desk_of, passes_for
from annotation.models import Annotation, Round, RoundClip
from annotation.rounds import open_round, request_round
from annotation.routing_models import Annotator, Pass
from annotation.transcribing import close_tasks, submit_answer, version_of_pass
from earmark.accounts.models import User
from earmark.corpus.models import Clip, Reference
from earmark.jobs.models import Job
from earmark.jobs.registry import Later
from earmark.speech.errors import EarmarkError
from tests.annotation.fake_label_studio import FakeLabelStudio
from tests.annotation.world import TestContext, heard_collection

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(studio: FakeLabelStudio) -> Round:
    """An open round of six clips, whose passes anyone may take."""
    made, _ = request_round(collection=heard_collection(8), budget_seconds=12.0, seed=1, by=None)
    open_round(TestContext(), round_id=made.pk)
    made.refresh_from_db()
    for place, one in enumerate(Pass.objects.filter(round=made).order_by("pk")):
        Pass.objects.filter(pk=one.pk).update(place=place)
    return made


@pytest.fixture
def anna() -> User:
    return User.objects.create_user("anna", "anna@example.org", "a quiet room")


def first(row: Round) -> Pass:
    return Pass.objects.filter(round=row).select_related("round_clip", "round").order_by("place")[0]


def typed(one: Pass, by: User, text: str = "turn it on", **fields: object) -> Annotation:
    return submit_answer(of_pass=one, by=by, expected=version_of_pass(one), text=text, **fields)  # type: ignore[arg-type]


def test_what_is_typed_counts(row: Round, anna: User) -> None:
    one = first(row)
    answer = typed(one, anna, quality=["clear"], client_seconds=7.5, server_seconds=9.0)
    assert (answer.source, answer.annotation_id, answer.lead_seconds) == (Annotation.Source.DESK, None, 7.5)
    one.refresh_from_db()
    assert one.status == Pass.Status.DONE
    assert Reference.objects.get(clip=one.round_clip.clip_id).text == "turn it on"
    assert Clip.objects.get(pk=one.round_clip.clip_id).state == Clip.State.LABELLED
    assert RoundClip.objects.get(pk=one.round_clip_id).outcome == RoundClip.Outcome.LABELLED


def test_syncing_neither_deletes_nor_doubles_it(row: Round, anna: User, studio: FakeLabelStudio) -> None:
    one = first(row)
    answer = typed(one, anna)
    studio.submit(one.round_clip.clip_id, "another person's", user=2)
    sync.sync_round(TestContext(), round_id=row.pk)
    sync.sync_round(TestContext(), round_id=row.pk)
    assert Annotation.objects.filter(deleted_at=None).count() == 2
    answer.refresh_from_db()
    assert (answer.text, answer.deleted_at, answer.source) == ("turn it on", None, Annotation.Source.DESK)


def test_a_later_answer_of_the_same_person_is_an_edit(
    row: Round, anna: User, studio: FakeLabelStudio
) -> None:
    one = first(row)
    answer = typed(one, anna)
    Annotation.objects.update(updated_at=studio.now)
    studio.submit(one.round_clip.clip_id, "turn it off", user=1)
    sync.sync_round(TestContext(), round_id=row.pk)
    sync.sync_round(TestContext(), round_id=row.pk)
    held = Annotation.objects.get()
    assert (held.pk, held.text, held.source) == (answer.pk, "turn it off", Annotation.Source.LABEL_STUDIO)
    assert Reference.objects.get(clip=one.round_clip.clip_id, is_current=True).text == "turn it off"


def test_an_earlier_answer_that_arrives_late_does_not_win(
    row: Round, anna: User, studio: FakeLabelStudio
) -> None:
    one = first(row)
    studio.submit(one.round_clip.clip_id, "before the line broke", user=1)
    typed(one, anna)
    sync.sync_round(TestContext(), round_id=row.pk)
    assert Reference.objects.get(clip=one.round_clip.clip_id, is_current=True).text == "turn it on"


def test_its_task_leaves_label_studio(row: Round, anna: User, studio: FakeLabelStudio) -> None:
    one, other = Pass.objects.filter(round=row).select_related("round_clip", "round").order_by("place")[:2]
    typed(one, anna)
    typed(other, anna)
    studio.submit(other.round_clip.clip_id, "there, too", user=1)
    assert Job.objects.filter(kind="annotation.close_tasks").count() == 1
    studio.failing.append("tasks")
    with pytest.raises(Later):
        close_tasks(TestContext(), round_id=row.pk)
    studio.failing.clear()
    assert close_tasks(TestContext(), round_id=row.pk) == {"closed": 1}
    there = {task["data"]["clip"] for task in studio.store.values()}
    assert one.round_clip.clip_id not in there
    assert other.round_clip.clip_id in there
    assert close_tasks(TestContext(), round_id=row.pk) == {"closed": 0}


def test_a_pass_is_answered_once(row: Round, anna: User) -> None:
    one = first(row)
    before = version_of_pass(one)
    typed(one, anna)
    bo = User.objects.create_user("bo", "bo@example.org", "a quiet room")
    with pytest.raises(EarmarkError, match="has changed") as caught:
        submit_answer(of_pass=one, by=bo, expected=before, text="mine")
    assert caught.value.error_id == "annotation:pass:stale"


def test_what_belongs_to_another_is_refused(row: Round, anna: User) -> None:
    one = first(row)
    bo = User.objects.create_user("bo", "bo@example.org", "a quiet room")
    one.annotator, one.routing = (
        Annotator.objects.create(collection=row.collection, user=bo),
        Pass.Routing.ASSIGNED,
    )
    one.save()
    with pytest.raises(EarmarkError) as caught:
        typed(one, anna)
    assert caught.value.error_id == "annotation:pass:not-yours"


@pytest.mark.parametrize(
    ("fields", "error_id"),
    [
        ({"text": "  "}, "annotation:answer:empty"),
        ({"quality": ["purple"]}, "annotation:answer:quality"),
    ],
)
def test_an_answer_says_something(row: Round, anna: User, fields: dict[str, object], error_id: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        typed(first(row), anna, **fields)
    assert caught.value.error_id == error_id


def test_the_desk_shows_what_waits_and_what_was_done(row: Round, anna: User) -> None:
    annotator = Annotator.objects.create(collection=row.collection, user=anna, daily_seconds=8.0)
    passes = list(Pass.objects.filter(round=row).select_related("round_clip", "round").order_by("place"))
    passes[3].annotator, passes[3].routing = annotator, Pass.Routing.ASSIGNED
    passes[3].returned_at, passes[3].returned_code = row.created_at, "wrong_words"
    passes[3].save()
    typed(passes[0], anna)
    desk = desk_of(row.collection, anna)
    assert (desk.today.clips, desk.today.seconds, desk.today.share) == (1, 2.0, 0.25)
    assert [one.pk for one in desk.returned] == [passes[3].pk]
    assert [one.pk for one in desk.waiting.passes] == [passes[n].pk for n in (3, 1, 2, 4, 5)]
    assert (desk.waiting.number, desk.waiting.seconds) == (5, 10.0)
    left = passes_for(row.collection, anna, annotator, skip=[passes[3].pk], limit=2)
    assert [one.pk for one in left] == [passes[1].pk, passes[2].pk]


def test_nobody_is_offered_a_clip_they_answered(row: Round, anna: User) -> None:
    one = first(row)
    typed(one, anna)
    Pass.objects.create(round=row, round_clip=one.round_clip, number=2, place=-1)
    assert one.round_clip_id not in {
        each.round_clip_id for each in desk_of(row.collection, anna).waiting.passes
    }
