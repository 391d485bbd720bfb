"""Annotators, rules and incidents through REST."""

import pytest

from annotation.review_models import Incident
from annotation.routing_models import Annotator, RoutingRule
from earmark.jobs.models import Job
from tests.api.world import World, build

pytestmark = pytest.mark.django_db


def test_rules_are_read_as_they_were_put(world: World) -> None:
    manager = world.client("manager")
    told = manager.post(
        "/api/v1/collections/cantonese/annotators/",
        {"username": world.people["annotator"].username, "languages": ["yue"], "daily_seconds": 600},
        format="json",
    ).json()
    assert told["languages"] == ["yue"]
    assert told["id"] == Annotator.objects.get().pk
    admin = world.client("admin")
    rules = [{"name": "twice", "people": 2, "annotators": [told["id"]]}, {"name": "rest", "share": 0.5}]
    answer = admin.put("/api/v1/collections/cantonese/routing/", {"rules": rules}, format="json")
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert [(one["name"], one["people"], one["annotators"]) for one in found["rules"]] == [
        ("twice", 2, [told["id"]]),
        ("rest", 1, []),
    ]
    assert [one["rule"] for one in found["taken"]] == [*(one["id"] for one in found["rules"]), None]
    assert Job.objects.filter(kind="annotation.reroute").exists()
    wrong = admin.put(
        "/api/v1/collections/cantonese/routing/", {"rules": [{"name": "x", "share": 2}]}, format="json"
    )
    assert wrong.status_code == 400
    assert wrong.json()["error_id"] == "annotation:rule:settings"
    assert RoutingRule.objects.count() == 2


def test_incidents_are_the_collections_own(world: World) -> None:
    other = build("other")
    for one in (world, other):
        Incident.objects.create(
            collection=one.collection, error_id="annotation:webhook:secret", error="x", said={"from": "there"}
        )
    (told,) = world.client("manager").get("/api/v1/collections/cantonese/incidents/").json()["results"]
    assert (told["error_id"], told["times"], told["said"]) == (
        "annotation:webhook:secret", 1, {"from": "there"}
    )  # fmt: skip
