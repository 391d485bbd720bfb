"""The desks over REST: what waits, what a clip shows and to whom, drafts, decisions, and who was first."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from annotation.models import Annotation, Round, RoundClip
from annotation.review_models import Decision, Draft, ReviewRequest
from annotation.review_queue import DISAGREE
from annotation.routing_models import Annotator, Pass
from earmark.corpus.models import Reference
from earmark.recognition.models import Hypothesis, HypothesisDetails
from tests.annotation.answered import Answered
from tests.api.world import World, build, members

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """One clip that two people heard differently, one whose pass waits for the annotator, one that is anyone's."""
    made = build()
    made.people = members(made.collection)
    heard = Hypothesis.objects.get(clip=made.clips[0])
    heard.text = "yat yi saam"
    heard.save()
    HypothesisDetails.objects.filter(hypothesis=heard).update(
        tokens=[["yat", -0.1, 0.2], [" yi", -1.2, 0.5], [" saam", -0.05, 0.1]],
        words=[["yat", 0.0, 0.3, 0.9], ["yi", 0.3, 0.5, 0.8], ["saam", 0.5, 1.0, 0.9]],
    )
    place = RoundClip.objects.get(round=made.round)
    place.outcome, place.hypothesis, place.why = DISAGREE, heard, {"expected_errors": 2.0}
    place.save()
    own = Annotator.objects.create(collection=made.collection, user=made.people["annotator"])
    done = Annotation.objects.get()
    Pass.objects.filter(round_clip=place, number=1).update(annotator=own, routing=Pass.Routing.ASSIGNED)
    Annotation.objects.create(
        round_clip=place, annotation_id=4, annotator="kwok", text="yat yi sei",
        created_at=done.created_at, updated_at=done.updated_at,
    )  # fmt: skip
    second = RoundClip.objects.create(
        round=made.round, clip=made.clips[1], reason="known", score=0.4,
        hypothesis=Hypothesis.objects.get(clip=made.clips[1]),
    )  # fmt: skip
    mine = Pass.objects.create(round=made.round, round_clip=second, number=1, annotator=own)
    Pass.objects.filter(pk=mine.pk).update(routing=Pass.Routing.ASSIGNED)
    made.pks["mine"], made.pks["second"] = mine.pk, second.pk
    return made


def address(world: World) -> str:
    return f"/api/v1/review/{world.pks['review']}/"


def tag(answer: Any) -> dict[str, str]:
    return {"HTTP_IF_MATCH": answer.headers["ETag"]}


def test_what_waits_and_all_to_decide_it_by(world: World) -> None:
    client = world.client("reviewer")
    queue = f"/api/v1/collections/{world.collection.slug}/review/"
    waiting = client.get(queue).json()["waiting"]
    assert [(one["id"], one["reason"]) for one in waiting] == [(world.pks["review"], DISAGREE)]
    assert client.get(queue, {"skip": str(world.pks["review"])}).json()["waiting"] == []
    assert client.get(queue, {"queue": "review"}).json()["waiting"] == []
    shown = client.get(address(world)).json()
    assert {one["text"] for one in shown["candidates"]} == {"yat yi saam", "yat yi sei"}
    assert {one["annotator"]: one["may_return"] for one in shown["candidates"]} == {
        "mei": True,
        "kwok": False,
    }
    assert [(one["before"], one["text"], one["start"]) for one in shown["heard"]["words"]] == [
        ("", "yat", 0.0),
        (" ", "yi", 0.3),
        (" ", "saam", 0.5),
    ]
    assert shown["heard"]["words"][1]["probability"] == pytest.approx(0.301, abs=0.001)
    assert shown["suggestion"] == "yat yi saam"
    assert shown["chosen"] == {"reason": "strategy", "score": 0.5, "why": {"expected_errors": 2.0}}
    assert client.get(address(world)).json()["candidates"] == shown["candidates"], "the order stays"


def test_the_sound_of_a_clip_needs_no_cookie(world: World) -> None:
    shown = world.client("reviewer").get(address(world)).json()["clip"]
    stranger = world.client("anonymous")
    assert stranger.get(shown["audio_url"].split("?")[0]).status_code == 403
    for name in ("audio_url", "peaks_url"):
        assert stranger.get(shown[name]).status_code != 403


def test_a_decision_counts_and_takes_the_draft_along(world: World) -> None:
    client = world.client("reviewer")
    shown = client.get(address(world))
    saved = client.put(
        f"{address(world)}draft/", {"text": "yat yi", "is_opening": True}, format="json", **tag(shown)
    )
    assert saved.json()["text"] == "yat yi"
    assert client.get(address(world)).json()["draft"]["text"] == "yat yi"
    assert world.client("manager").get(address(world)).json()["draft"] is None, "a draft is its writer's"
    sent = {"kind": "correct", "text": "yat yi sei", "client_seconds": 4.5}
    made = client.post(f"{address(world)}decisions/", sent, format="json", **tag(shown))
    assert made.status_code == 201
    held = Decision.objects.get()
    assert (held.kind, held.text, held.client_seconds) == ("correct", "yat yi sei", 4.5)
    assert held.server_seconds is not None
    assert not Draft.objects.exists()
    assert Reference.objects.get(clip=world.clips[0], is_current=True).text == "yat yi sei"
    assert client.get(address(world)).headers["ETag"] == made.headers["ETag"]


def test_who_comes_second_is_told(world: World) -> None:
    first, second = world.client("reviewer"), world.client("manager")
    shown = first.get(address(world))
    second.put(f"{address(world)}draft/", {"text": "mine"}, format="json", **tag(shown))
    first.post(f"{address(world)}decisions/", {"kind": "unintelligible"}, format="json", **tag(shown))
    late = second.put(f"{address(world)}draft/", {"text": "mine, more"}, format="json", **tag(shown))
    assert (late.status_code, late.json()["error_id"]) == (412, "annotation:draft:stale")
    sent = {"kind": "correct", "text": "mine"}
    late = second.post(f"{address(world)}decisions/", sent, format="json", **tag(shown))
    assert (late.status_code, late.json()["error_id"]) == (412, "annotation:decision:stale")
    assert Draft.objects.get().text == "mine", "what was written is kept"
    again = second.get(address(world))
    assert again.json()["decisions"][0]["by"] == "reviewer"
    assert second.post(f"{address(world)}decisions/", sent, format="json", **tag(again)).status_code == 201
    assert Decision.objects.count() == 2


def test_without_saying_what_was_seen_nothing_is_written(world: World) -> None:
    client = world.client("reviewer")
    answer = client.post(f"{address(world)}decisions/", {"kind": "unintelligible"}, format="json")
    assert (answer.status_code, answer.json()["error_id"]) == (428, "api:if-match:needed")
    assert not Decision.objects.exists()


def test_an_answer_of_another_clip_is_no_answer(world: World) -> None:
    client = world.client("reviewer")
    shown = client.get(address(world))
    other = Answered(1, slug="other")
    foreign = other.answer(other.asked(0), "anna", "elsewhere")
    sent = {"kind": "accept", "annotation": foreign.pk}
    answer = client.post(f"{address(world)}decisions/", sent, format="json", **tag(shown))
    assert answer.json()["error_id"] == "annotation:decision:stale"


def test_a_returned_clip_waits_on_its_annotators_desk(world: World) -> None:
    client = world.client("reviewer")
    shown = client.get(address(world))
    mei = next(one for one in shown.json()["candidates"] if one["annotator"] == "mei")
    sent = {"kind": "return", "annotation": mei["id"], "reason_code": "missing_words", "note": "at the end"}
    assert client.post(f"{address(world)}decisions/", sent, format="json", **tag(shown)).status_code == 201
    desk = world.client("annotator").get(f"/api/v1/collections/{world.collection.slug}/desk/").json()
    first = desk["waiting"][0]
    assert (first["clip"], first["returned_code"], first["returned_note"]) == (
        world.clips[0].pk,
        "missing_words",
        "at the end",
    )


def test_an_annotator_types_an_answer(world: World) -> None:
    client = world.client("annotator")
    mine = f"/api/v1/passes/{world.pks['mine']}/"
    shown = client.get(mine)
    assert shown.json()["suggestion"] == "yat yi saam"
    assert "chosen" not in shown.json()
    assert "known" not in shown.content.decode(), "nobody learns that the answer is known"
    client.put(f"{mine}draft/", {"text": "yat"}, format="json", **tag(shown))
    sent = {"text": "yat yi", "quality": ["noisy"], "client_seconds": 3.0}
    made = client.post(f"{mine}answers/", sent, format="json", **tag(shown))
    assert (made.status_code, made.json()["today"]["clips"]) == (201, 1)
    held = Annotation.objects.get(source="desk")
    assert (held.text, held.quality, held.lead_seconds) == ("yat yi", ["noisy"], 3.0)
    assert held.server_seconds is not None
    late = client.post(f"{mine}answers/", sent, format="json", **tag(shown))
    assert (late.status_code, late.json()["error_id"]) == (412, "annotation:pass:stale")


def test_a_blind_pass_tells_nothing_of_what_was_heard(world: World) -> None:
    Pass.objects.filter(pk=world.pks["mine"]).update(is_blind=True)
    shown = world.client("annotator").get(f"/api/v1/passes/{world.pks['mine']}/").json()
    assert (shown["heard"], shown["suggestion"]) == (None, "")


def test_a_pass_is_its_annotators_own(world: World) -> None:
    mine = f"/api/v1/passes/{world.pks['mine']}/"
    answer = world.client("reviewer").get(mine)
    assert (answer.status_code, answer.json()["error_id"]) == (403, "annotation:pass:not-yours")


def test_the_desks_ask_a_fixed_number_of_questions(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    place = RoundClip.objects.get(pk=world.pks["review"])
    made = place.annotations.first()
    assert made is not None
    for number in range(5, 25):
        Annotation.objects.create(
            round_clip=place, annotation_id=number, annotator=f"person {number}", text="yat",
            created_at=made.created_at, updated_at=made.updated_at,
        )  # fmt: skip
    for clip in world.clips[2:]:
        row = RoundClip.objects.create(
            round=world.round, clip=clip, reason="strategy", score=1, outcome=DISAGREE
        )
        ReviewRequest.objects.create(collection=world.collection, round_clip=row, reason="random", weight=0.1)
        Pass.objects.create(round=world.round, round_clip=row, number=1)
    collection = f"/api/v1/collections/{world.collection.slug}"
    for name, path, most in (
        ("reviewer", f"{collection}/review/", 5),
        ("reviewer", f"{collection}/review/?queue=review", 5),
        ("reviewer", address(world), 13),
        ("annotator", f"{collection}/desk/", 8),
        ("annotator", f"/api/v1/passes/{world.pks['mine']}/", 10),
    ):
        with django_assert_max_num_queries(most):
            assert world.client(name).get(path).status_code == 200


def test_a_closed_round_takes_no_answer(world: World) -> None:
    client = world.client("annotator")
    mine = f"/api/v1/passes/{world.pks['mine']}/"
    shown = client.get(mine)
    Round.objects.update(status=Round.Status.CLOSED)
    answer = client.post(f"{mine}answers/", {"text": "late"}, format="json", **tag(shown))
    assert (answer.status_code, answer.json()["error_id"]) == (409, "annotation:pass:closed")
