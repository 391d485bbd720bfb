"""What waits for a decision, in which order, and what it is decided by."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation import review_queue
from annotation.deciding import version_of
from annotation.models import RoundClip
from annotation.review_models import ReviewRequest
from annotation.review_queue import DISAGREE, Queue, waiting
from earmark.speech.errors import EarmarkError
from tests.annotation.answered import Answered

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Answered:
    return Answered()


def requested(world: Answered, place: int, reason: str, weight: float) -> RoundClip:
    row = world.labelled(place, "anna", "turn on")
    ReviewRequest.objects.create(collection=world.collection, round_clip=row, reason=reason, weight=weight)
    return row


def shown(world: Answered, queue: Queue, **options: Any) -> list[tuple[int, str]]:
    return [(one.round_clip, one.reason) for one in waiting(world.collection, queue, **options)]


def test_the_heaviest_request_is_reviewed_first_and_settled_ones_are_gone(world: Answered) -> None:
    light = requested(world, 0, "random", 0.1)
    heavy = requested(world, 1, "slips", 0.9)
    settled = requested(world, 2, "annotator", 0.5)
    ReviewRequest.objects.filter(round_clip=settled).update(settled_at=world.now)
    assert shown(world, Queue.REVIEW) == [(heavy.pk, "slips"), (light.pk, "random")]
    assert shown(world, Queue.REVIEW, skip=[heavy.pk]) == [(light.pk, "random")]
    assert shown(world, Queue.REVIEW, limit=1) == [(heavy.pk, "slips")]
    assert review_queue.sizes(world.collection) == {Queue.ADJUDICATION: 0, Queue.REVIEW: 2}


def test_disagreements_of_the_newest_round_come_first_and_only_this_collections(world: Answered) -> None:
    old = world.asked(0)
    world.round = world.new_round(2)
    low, high = world.asked(1, score=0.1), world.asked(2, score=0.9)
    other = Answered(2, slug="other").asked(0)
    RoundClip.objects.update(outcome=DISAGREE)
    assert shown(world, Queue.ADJUDICATION) == [(high.pk, DISAGREE), (low.pk, DISAGREE), (old.pk, DISAGREE)]
    assert other.pk not in dict(shown(world, Queue.ADJUDICATION))
    assert review_queue.sizes(world.collection)[Queue.ADJUDICATION] == 3


def test_nobody_is_shown_what_they_answered_themselves(world: Answered) -> None:
    row = world.asked(0)
    world.answer(row, "anna", "turn on")
    RoundClip.objects.update(outcome=DISAGREE)
    assert shown(world, Queue.ADJUDICATION, without="anna@example.org") == []
    assert shown(world, Queue.ADJUDICATION, without="bo@example.org") == [(row.pk, DISAGREE)]


def test_a_sheet_holds_all_there_is_to_decide_by(world: Answered) -> None:
    row = requested(world, 0, "slips", 1.0)
    second = world.answer(row, "bo", "turn it on", blind=True)
    with CaptureQueriesContext(
        connection,
    ) as told:
        sheet = review_queue.sheet(world.collection, row.pk)
    assert len(told) <= 6
    assert [one.text for one in sheet.answers] == ["turn on", "turn it on"]
    assert sheet.answers[1] == second
    assert sheet.hypothesis
    assert sheet.reference
    assert (sheet.hypothesis.text, sheet.reference.text) == ("turn on the light", "turn on")
    assert (sheet.reason, sheet.version) == ("slips", version_of(row.pk))
    with pytest.raises(EarmarkError) as unknown:
        review_queue.sheet(Answered(1, slug="other").collection, row.pk)
    assert unknown.value.error_id == "annotation:clip:unknown"
