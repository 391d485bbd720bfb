"""What labelling takes, saves and costs."""

from typing import Any

import pytest

from annotation.effort import (
    RoundCost,
    Work,
    most_counted,
    saved,
    time_saved,
    total_cost,
    work_by_person,
    work_by_round,
)
from annotation.models import Annotation, RoundClip
from annotation.plans import plan_of
from annotation.review_models import Decision, LabellingPlan
from earmark.accounts.roles import Role
from tests.annotation.answered import Answered


def test_half_the_time_is_half_saved() -> None:
    quick, slow = [(2.0 + n % 3, 2.0) for n in range(30)], [(4.0 + 2 * (n % 3), 2.0) for n in range(30)]
    found = saved(corrected=quick, from_nothing=slow, seed=1)
    assert found
    assert (found.correcting, found.transcribing, found.share) == (1.5, 3.0, 0.5)
    assert 0.3 < found.low < 0.5 < found.high < 0.7
    assert found == saved(corrected=quick, from_nothing=slow, seed=1)
    assert saved(corrected=quick, from_nothing=slow[:4], seed=1) is None


def test_a_text_that_hinders_saves_less_than_nothing() -> None:
    found = saved(corrected=[(8.0, 2.0)] * 9, from_nothing=[(4.0, 2.0)] * 9, seed=1)
    assert found
    assert (found.share, found.low, found.high) == (-1.0, -1.0, -1.0)


def test_a_round_costs_its_hours_and_answers_without_a_time_count_like_others() -> None:
    work = Work(answers=20, audio_seconds=40, timed=10, timed_audio=20, client_seconds=1800)
    round = RoundCost(1, labelled=20, labelled_seconds=40, work=work, review_seconds=3600, hourly_cost=30.0)
    assert (work.pace, round.hours, round.cost) == (90.0, 2.0, 60.0)
    assert round.cost_per_labelled_hour == pytest.approx(60 / (40 / 3600))
    assert RoundCost(1, 20, 40.0, work).cost is None
    both = total_cost([round, round])
    assert (both.hours, both.cost, both.labelled, both.work.timed) == (4.0, 120.0, 40, 20)
    assert total_cost([]).cost is None
    assert RoundCost(1, 20, 40.0, Work(answers=20), hourly_cost=30.0).cost is None, "nobody timed it"
    assert Work().pace is None


@pytest.mark.django_db
class TestWork:
    def test_idling_is_not_counted_and_the_clocks_are_kept_apart(
        self, django_assert_num_queries: Any
    ) -> None:
        world = Answered()
        world.answer(world.asked(0), "anna", "text", lead=12.0)
        world.answer(world.asked(1), "anna", "text", lead=5000.0)
        world.answer(world.asked(2), "anna", "text", lead=None)
        world.answer(world.asked(3), "bo", skip=True, lead=3.0)
        Annotation.objects.filter(annotator="anna@example.org").update(server_seconds=20.0)
        with django_assert_num_queries(2):
            found = work_by_person(world.collection)
        assert found["anna@example.org"] == Work(3, 6.0, 2, 4.0, 12.0 + most_counted(2.0, 60.0), 3, 60.0)
        assert found["bo@example.org"] == Work(1, 2.0, 1, 2.0, 3.0, 0, 0.0)
        LabellingPlan.objects.create(collection=world.collection, idle_seconds=5.0)
        assert work_by_person(world.collection)["anna@example.org"].client_seconds == 12.0 + 25.0

    def test_every_round_has_its_labels_its_work_and_its_cost(self, django_assert_num_queries: Any) -> None:
        world = Answered()
        LabellingPlan.objects.create(collection=world.collection, hourly_cost=36.0)
        first = world.labelled(0, "anna", "text", lead=10.0)
        world.labelled(1, "anna", "text", lead=20.0)
        known = world.asked(2, reason=RoundClip.Reason.KNOWN, outcome="labelled")
        world.answer(known, "anna", "text", lead=10.0)
        by = world.person("rita", Role.REVIEWER)
        Decision.objects.create(round_clip=first, kind=Decision.Kind.ACCEPT, by=by, client_seconds=60.0)
        Decision.objects.create(round_clip=first, kind=Decision.Kind.ACCEPT, by=by)
        world.new_round(2)
        with django_assert_num_queries(4):
            one, two = work_by_round(world.collection)
        assert (one.number, one.labelled, one.labelled_seconds) == (1, 2, 4.0)
        assert one.hours == pytest.approx(100 / 3600)
        assert one.cost == pytest.approx(1.0)
        assert one.cost_per_labelled_hour == pytest.approx(900.0)
        assert (two.number, two.labelled, two.cost, two.cost_per_labelled_hour) == (2, 0, 0.0, None)

    def test_time_saved_compares_first_passes_with_those_from_nothing(self) -> None:
        world = Answered(12)
        for place in range(6):
            world.answer(world.asked(place), "anna", "text", lead=5.0)
            world.answer(world.asked(place), "bo", "text", lead=500.0, blind=True)
        assert time_saved(world.collection, seed=1) is None, "second passes are no control"
        for place in range(6, 12):
            world.answer(world.asked(place), "bo", "text", lead=10.0, blind=True)
        found = time_saved(world.collection, seed=1)
        assert found
        assert (found.corrected, found.from_nothing, found.correcting, found.share) == (6, 6, 2.5, 0.5)
        assert found.seed == 1
        assert plan_of(world.collection).pk is None
