"""Who sees what of how well people label."""

import csv
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from annotation import measuring
from annotation.models import Annotation, Round
from annotation.review_models import LabellingPlan, QualityReport
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.jobs.models import Job
from earmark.loop.costs import rounds_and_gains
from earmark.web.queries.quality import harmless
from tests.annotation.answered import Answered
from tests.annotation.world import TestContext
from tests.web.factories import World

pytestmark = pytest.mark.django_db

SignIn = Callable[[User | None], Client]


@pytest.fixture
def answered() -> Answered:
    """Anna and Bo answered the same four clips, and it was measured."""
    made = Answered()
    for place, text in enumerate(["turn on", "turn on", "turn it on", "turn on"]):
        row = made.asked(place)
        made.answer(row, "anna", "turn on")
        made.answer(
            row, "bo", text, slips=[{"kind": "added", "at": 1.0, "text": "it"}] if " it " in text else []
        )
    Annotation.objects.update(created_at=Job.objects.create(kind="x", queue="cpu").created_at)
    measuring.measure(TestContext(), collection_id=made.collection.pk)
    return made


def shown(client: Client, name: str, world: Answered, **query: str) -> str:
    response = client.get(reverse(f"web:{name}", args=[world.collection.slug]), query)
    assert response.status_code == 200
    return response.content.decode()


def test_reviewers_see_everybody(answered: Answered, signed_in: SignIn) -> None:
    text = shown(signed_in(answered.person("rita", Role.REVIEWER)), "quality", answered)
    for told in ("anna@example.org", "bo@example.org", "Who differs from whom", "Time and money"):
        assert told in text
    assert "a word may not be said" in text


def test_annotators_see_their_own_row_and_nothing_of_others(answered: Answered, signed_in: SignIn) -> None:
    client = signed_in(answered.person("anna"))
    for name in ("quality", "quality_csv"):
        text = shown(client, name, answered)
        assert "anna@example.org" in text
        assert "bo@example.org" not in text
        assert "Who differs from whom" not in text
        assert "a word may not be said" not in text
    told = client.get(f"/api/v1/collections/{answered.collection.slug}/quality/").json()
    assert [one["person"] for one in told["people"]] == ["anna@example.org"]
    assert (told["pairs"], told["alphas"], told["slips"]) == ([], {}, {})
    assert client.get(f"/api/v1/collections/{answered.collection.slug}/effort/").status_code == 403


def test_rest_says_what_the_page_says(answered: Answered, signed_in: SignIn) -> None:
    client = signed_in(answered.person("rita", Role.REVIEWER))
    told = client.get(f"/api/v1/collections/{answered.collection.slug}/quality/").json()
    people = {one["person"]: one for one in told["people"]}
    assert people["bo@example.org"]["submitted"] == 4
    assert people["bo@example.org"]["doubted"] == 1
    assert people["bo@example.org"]["agreement"] == pytest.approx(1 - 1 / 8.5)
    assert told["pairs"][0]["clips"] == 4
    assert told["slips"] == {"added": 1}
    effort = client.get(f"/api/v1/collections/{answered.collection.slug}/effort/").json()
    assert effort["saved"] is None
    assert [one["number"] for one in effort["rounds"]] == [1]


def test_the_table_comes_as_csv(answered: Answered, signed_in: SignIn) -> None:
    text = shown(signed_in(answered.person("rita", Role.REVIEWER)), "quality_csv", answered, days="30")
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["person"] for row in rows] == ["anna@example.org", "bo@example.org"]
    assert rows[1]["doubted"] == "1"
    assert harmless("=1+1") == "'=1+1"


def test_a_new_measurement_is_asked_for_once(answered: Answered, signed_in: SignIn) -> None:
    client = signed_in(answered.person("rita", Role.REVIEWER))
    for _ in range(2):
        client.post(reverse("web:quality_measure", args=[answered.collection.slug]))
    job = Job.objects.get(kind=measuring.KIND)
    measuring.measure(TestContext(job_id=job.pk), **job.arguments)
    assert QualityReport.objects.count() == 2


def test_a_page_without_any_answer_says_so(world: World, signed_in: SignIn) -> None:
    Annotation.objects.all().delete()
    response = signed_in(world.people["reviewer"]).get(reverse("web:quality", args=[world.collection.slug]))
    assert "Nobody has submitted yet" in response.content.decode()


def test_a_point_of_error_rate_has_its_hours_and_its_cost(world: World) -> None:
    LabellingPlan.objects.create(collection=world.collection, hourly_cost=20.0)
    rounds, gains = rounds_and_gains(world.collection)
    assert [one.number for one in rounds] == sorted(Round.objects.values_list("number", flat=True))
    assert gains
    gain = gains[-1]
    assert gain.points == pytest.approx(100 * (gain.before.error_rate - gain.after.error_rate))
    assert gain.before.snapshot_id == gain.after.snapshot_id
    if gain.points > 0:
        assert gain.seconds_per_point == pytest.approx(gain.spent.spent_seconds / gain.points)
        assert gain.cost_per_point == pytest.approx(20 * gain.spent.hours / gain.points)
