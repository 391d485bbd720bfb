"""What answers say of the people who gave them is measured once and kept."""

from typing import Any

import pytest

from annotation import measuring
from annotation.models import Annotation, RoundClip
from annotation.review_models import QualityReport
from earmark.corpus.models import Clip, Reference
from earmark.corpus.references import set_reference
from tests.annotation.answered import Answered
from tests.annotation.world import TestContext

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Answered:
    """Four clips two people answered, one that one did, one whose answer is known."""
    made = Answered(8)
    texts = ["turn on the light", "turn on the light", "turn on a light", "turn on the light"]
    for place, text in enumerate(texts):
        row = made.asked(place)
        made.answer(row, "anna", "Turn on the light.", quality=["clear"])
        made.answer(row, "bo", text, quality=["clear"] if place else ["noisy"])
    made.answer(made.asked(4), "anna", "alone")
    set_reference(
        clip_id=made.clips[5].pk, text="the truth is known", kind=Reference.Kind.ADJUDICATED, author="rita"
    )
    made.answer(made.asked(5, reason=RoundClip.Reason.KNOWN), "bo", "the truth is own")
    return made


def measured(world: Answered, job: int = 1) -> dict[str, Any]:
    context = TestContext(job_id=job)
    found = measuring.measure(context, collection_id=world.collection.pk)
    report = QualityReport.objects.get(pk=found["report"])
    return {**report.figures, "report": report}


def test_people_pairs_and_choices_are_measured(world: Answered) -> None:
    told = measured(world)
    people = {one["person"]: one for one in told["people"]}
    assert set(people) == {"anna@example.org", "bo@example.org"}
    assert people["bo@example.org"]["known"]["errors"] == 1
    assert people["bo@example.org"]["agreement"] == pytest.approx(15 / 16)
    assert people["anna@example.org"]["known"] is None
    (pair,) = told["pairs"]
    assert (pair["clips"], pair["edits"], pair["rate"]) == (4, 1, 1 / 16)
    assert told["alphas"]["silence"] is None
    assert told["alpha"] is not None
    assert told["alpha"] < 1
    assert (told["report"].clips, told["report"].known, told["report"].seed) == (4, 1, measuring.SEED)


def test_a_job_writes_its_report_once(world: Answered) -> None:
    assert measured(world)["report"] == measured(world)["report"]
    assert measured(world, job=2)["report"] == measuring.newest_report(world.collection)
    assert QualityReport.objects.count() == 2


def test_only_what_people_say_now_is_compared(world: Answered) -> None:
    Annotation.objects.filter(text="turn on a light").update(deleted_at=world.now)
    skipped = world.asked(6)
    world.answer(skipped, "anna", "text")
    world.answer(skipped, "bo", skip=True)
    unclear = world.asked(7)
    world.answer(unclear, "anna", "text")
    world.answer(unclear, "bo", "guess", quality=["unintelligible"])
    told = measured(world)
    assert told["report"].clips == 3
    assert told["judged"] == 4
    assert told["pairs"][0]["edits"] == 0


def test_a_known_answer_never_touches_the_reference(world: Answered) -> None:
    clip = world.clips[5]
    measured(world)
    held = Reference.objects.get(clip=clip, is_current=True)
    assert (held.text, held.kind) == ("the truth is known", "adjudicated")
    assert Clip.objects.get(pk=clip.pk).state == Clip.State.IN_ROUND, "as the round left it"


def test_votes_follow_the_newest_report(world: Answered) -> None:
    assert measuring.votes_of(world.collection.pk) == {}
    measured(world)
    votes = measuring.votes_of(world.collection.pk)
    assert votes["anna@example.org"] > votes["bo@example.org"] > 0


def test_nothing_shared_is_nothing_measured() -> None:
    told = measured(Answered(1, slug="empty"))
    assert (told["people"], told["pairs"], told["alpha"]) == ([], [], None)
