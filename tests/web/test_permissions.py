"""Every address of the pages against every role: who gets in, who is refused, for whom there is nothing there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from annotation.routing_models import RoutingRule
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.speech.segmentation import SegmentationSettings
from earmark.web import urls
from tests.recognition.world import make_run
from tests.training_jobs.comparisons import a_comparison
from tests.web import factories
from tests.web.factories import World

pytestmark = pytest.mark.django_db

OPEN = {"home", "login", "logout", "collection_new", "join", "join_go"}
"""Addresses outside any collection; they have tests of their own below."""


@dataclass(frozen=True)
class Row:
    """One address and method: the least role it needs, what is sent, and the answer to who may."""

    name: str
    needs: Role
    method: str = "get"
    of: Callable[[World], dict[str, Any]] = lambda world: {}
    sent: dict[str, Any] = field(default_factory=dict)
    answers: int = 200


def a_clip(world: World) -> dict[str, Any]:
    return {"pk": world.clips[0].pk}


def the_round(world: World) -> dict[str, Any]:
    return {"number": 2}


def the_training(world: World) -> dict[str, Any]:
    return {"pk": world.running.pk}


def the_base(world: World) -> dict[str, Any]:
    return {"pk": world.models[0].pk}


def the_job(world: World) -> dict[str, Any]:
    return {"pk": world.running.job_id}


def the_run(world: World) -> dict[str, Any]:
    return {"pk": make_run(world.collection, world.models[0]).pk}


def the_snapshot(world: World) -> dict[str, Any]:
    return {"pk": world.test_set.pk}


def the_import(world: World) -> dict[str, Any]:
    return {"pk": factories.an_import(world.collection).pk}


def the_export(world: World) -> dict[str, Any]:
    return {"pk": factories.an_export(world.test_set).pk}


def the_comparison(world: World) -> dict[str, Any]:
    return {"pk": a_comparison(*world.models, world.test_set).pk}


def the_rule(world: World) -> dict[str, Any]:
    rule, _ = RoutingRule.objects.get_or_create(collection=world.collection, position=0, name="a rule")
    return {"pk": rule.pk}


def the_viewer(world: World) -> dict[str, Any]:
    return {"pk": world.collection.memberships.get(user=world.people["viewer"]).pk}


def the_annotator(world: World) -> dict[str, Any]:
    return {"pk": world.collection.memberships.get(user=world.people["annotator"]).pk}


PLAN = {"known_percent": 5, "control_percent": 0, "review_percent": 5, "idle_seconds": 60, "currency": "EUR"}
ROUND = {"minutes": 1, "strategy": "annotation.acquisition.random", "audit_percent": 10, "seed": 3}
COMPARISON = {"sample_seconds": 30}
TRAINING = {
    "recipe": "article", "seed": 3, "overrides": "", "processes": 1, "precision": "float32", "priority": 0,
}  # fmt: skip
CUT = {name: str(value) for name, value in SegmentationSettings().to_json().items()}
POLICY = {
    "train": "on", "train_minutes": 12, "recipe": "article", "round_minutes": 5, "monthly_minutes": 60,
    "strategy": "annotation.acquisition.random", "audit_percent": 10, "stop_gain": 1, "stop_rounds": 2,
}  # fmt: skip
TABLE = [
    *(
        Row(name, Role.VIEWER)
        for name in (
            "collection", "clips", "rounds", "trainings", "models", "progress", "imports", "snapshots", "jobs",
            "people", "progress_confidence", "speakers", "corpus", "recordings", "transcriptions", "listen",
            "comparisons", "automation", "labelling",
        )
    ),
    Row("desk", Role.ANNOTATOR),
    Row("desk_studio", Role.ANNOTATOR),
    Row("desk_type", Role.ANNOTATOR),
    Row("review", Role.REVIEWER),
    Row("quality", Role.ANNOTATOR),
    Row("quality_csv", Role.ANNOTATOR),
    Row("quality_measure", Role.REVIEWER, "post", answers=302),
    Row("clip", Role.VIEWER, of=a_clip),
    Row("round", Role.VIEWER, of=the_round),
    Row("training", Role.VIEWER, of=the_training),
    Row("training_metrics", Role.VIEWER, of=the_training),
    Row("model", Role.VIEWER, of=the_base),
    Row("import", Role.VIEWER, of=the_import),
    Row("job", Role.VIEWER, of=the_job),
    Row("transcription", Role.VIEWER, of=the_run),
    Row("transcription_start", Role.MANAGER, "post", sent={"only": "pool"}, answers=302),
    Row("transcription_cancel", Role.MANAGER, "post", the_run, answers=302),
    Row("reference_set", Role.REVIEWER, "post", a_clip, {"text": "what is said"}, 302),
    Row("fitness_set", Role.REVIEWER, "post", a_clip, {"fit": "no", "why": "a door slams"}, 302),
    Row("import_retry", Role.MANAGER, "post", the_import, answers=302),
    Row("import_undo", Role.MANAGER, "post", the_import, answers=302),
    Row("import_server", Role.ADMIN, "post", sent={"source": "/srv"}, answers=302),
    Row("transcribe", Role.MANAGER, "post", answers=302),
    Row("gate", Role.MANAGER),
    Row("gate", Role.MANAGER, "post", sent={"least_snr_db": "3"}, answers=302),
    Row("gate_preview", Role.MANAGER, sent={"least_snr_db": "3"}),
    Row("recut", Role.MANAGER),
    Row("recut", Role.MANAGER, "post", sent=CUT, answers=302),
    Row("round_new", Role.MANAGER),
    Row("round_new", Role.MANAGER, "post", sent=ROUND, answers=302),
    Row("round_sync", Role.MANAGER, "post", the_round, answers=302),
    Row("round_close", Role.MANAGER, "post", the_round, answers=302),
    Row("round_repair", Role.MANAGER, "post", the_round, answers=302),
    Row("annotators", Role.VIEWER),
    Row("annotator_set", Role.MANAGER, "post", sent={"person": "1", "daily_minutes": "30"}, answers=200),
    Row("routing", Role.VIEWER),
    Row("rule_set", Role.ADMIN, "post", sent={"name": "twice", "people": 2, "share_percent": 100}, answers=302),
    Row("rule_move", Role.ADMIN, "post", of=the_rule, answers=302),
    Row("incidents", Role.MANAGER),
    Row("calibration", Role.VIEWER, of=the_base),
    Row("model_calibrate", Role.MANAGER, "post", the_base, answers=302),
    Row("model_promote", Role.MANAGER, "post", the_base, answers=302),
    Row("model_verdict", Role.VIEWER, of=the_base),
    Row("model_card", Role.VIEWER, of=the_base),
    Row("automation_set", Role.ADMIN, "post", sent=POLICY, answers=302),
    Row("automation_off", Role.ADMIN, "post", answers=302),
    Row("champion_back", Role.MANAGER, "post", answers=302),
    Row("model_evaluate", Role.MANAGER, "post", the_base, answers=302),
    Row("comparison", Role.VIEWER, of=the_comparison),
    Row("comparison_markdown", Role.VIEWER, of=the_comparison),
    Row("comparison_new", Role.MANAGER),
    Row("comparison_new", Role.MANAGER, "post", sent=COMPARISON, answers=200),
    Row("model_register", Role.ADMIN, answers=403),
    Row("model_register", Role.ADMIN, "post", answers=403),
    Row("snapshot_take", Role.MANAGER, "post", answers=302),
    Row("export_request", Role.MANAGER, "post", the_snapshot, {"format": "jsonl"}, 302),
    Row("export_download", Role.MANAGER, of=the_export),
    Row("freeze", Role.ADMIN, "post", answers=302),
    Row("training_launch", Role.ADMIN),
    Row("training_launch", Role.ADMIN, "post", sent=TRAINING, answers=302),
    Row("training_cancel", Role.ADMIN, "post", the_training, answers=302),
    Row("training_retry", Role.ADMIN, "post", the_training, answers=302),
    Row("training_log", Role.MANAGER, of=the_training),
    Row("training_dry_run", Role.ADMIN, "post", sent=TRAINING),
    Row("job_cancel", Role.ADMIN, "post", the_job, answers=302),
    Row("labelling_set", Role.MANAGER, "post", sent=PLAN, answers=302),
    Row("label_studio_token", Role.ANNOTATOR, "post"),
    Row("accounts", Role.MANAGER),
    Row("account_map", Role.MANAGER, "post"),
    Row("account_invite", Role.MANAGER, "post", the_annotator),
    Row("person_set", Role.ADMIN, "post", sent={"username": "viewer", "role": "annotator"}, answers=302),
    Row("person_remove", Role.ADMIN, "post", the_viewer, answers=302),
]  # fmt: skip


def addresses() -> Iterator[str]:
    for pattern in [*urls.in_collection, *urls.urlpatterns]:
        if getattr(pattern, "name", None):
            yield str(pattern.name)


def test_every_address_is_in_the_table() -> None:
    assert set(addresses()) == {row.name for row in TABLE} | OPEN


def asked(row: Row, world: World, person: User | None, *, method: str = "") -> int:
    """The status that `person` gets; nothing they do stays."""
    client = Client()
    if person is not None:
        client.force_login(person)
    with transaction.atomic():
        url = reverse(f"web:{row.name}", kwargs={"slug": world.collection.slug, **row.of(world)})
        answer = getattr(client, method or row.method)(url, row.sent)
        if answer.streaming:
            answer.getvalue()
        transaction.set_rollback(True)
    return int(answer.status_code)


def expected(row: Row, role: Role) -> int:
    return row.answers if role.covers(row.needs) else 403


@pytest.fixture
def outsider(world: World) -> User:
    other = factories.person("outsider")
    factories.Membership.objects.create(
        user=other,
        collection=factories.Collection.objects.create(slug="other", name="Other"),
        role=Role.ADMIN,
    )
    return other


def test_each_role_gets_what_it_may_and_no_more(world: World, outsider: User) -> None:
    wrong = []
    for row in TABLE:
        wanted = {role.value: expected(row, role) for role in Role} | {"outsider": 404, "stranger": 302}
        people = {**world.people, "outsider": outsider, "stranger": None}
        got = {name: asked(row, world, people[name]) for name in wanted}
        if got != wanted:
            wrong.append(
                (row.name, row.method, {name: got[name] for name in wanted if got[name] != wanted[name]})
            )
    assert wrong == []


def test_the_other_method_is_refused(world: World) -> None:
    both = {row.name for row in TABLE if row.method == "get"} & {
        row.name for row in TABLE if row.method == "post"
    }
    for row in TABLE:
        if row.name not in both:
            other = "post" if row.method == "get" else "get"
            assert asked(row, world, world.people["admin"], method=other) == 405, row.name


def test_what_changes_something_needs_the_csrf_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people["admin"])
    for row in TABLE:
        if row.method == "post":
            url = reverse(f"web:{row.name}", kwargs={"slug": world.collection.slug, **row.of(world)})
            assert client.post(url, row.sent).status_code == 403, row.name


def test_ids_of_another_collection_open_nothing(world: World, outsider: User) -> None:
    wrong = []
    for row in TABLE:
        arguments = row.of(world)
        if not arguments:
            continue
        client = Client()
        client.force_login(outsider)
        url = reverse(f"web:{row.name}", kwargs={"slug": "other", **arguments})
        if getattr(client, row.method)(url, row.sent).status_code != 404:
            wrong.append(row.name)
    assert wrong == []


def test_only_superusers_open_collections(world: World) -> None:
    sent = {"name": "Third", "slug": "third"}
    assert not factories.Collection.objects.filter(slug="third").exists()
    client = Client()
    client.force_login(world.people["admin"])
    assert client.post(reverse("web:collection_new"), sent).status_code == 403
    client.force_login(factories.person("root", superuser=True))
    assert client.post(reverse("web:collection_new"), sent).status_code == 302
    taken = client.post(reverse("web:collection_new"), sent)
    assert taken.status_code == 200
    assert taken.context["form"].errors


def test_home_leads_to_the_collection_one_was_in_last(world: World, outsider: User) -> None:
    client = Client()
    client.force_login(outsider)
    assert client.get(reverse("web:home"))["Location"] == reverse("web:collection", args=["other"])
    factories.Membership.objects.create(user=outsider, collection=world.collection, role=Role.VIEWER)
    client.get(reverse("web:clips", args=["harbour"]))
    assert client.get(reverse("web:home"))["Location"] == reverse("web:collection", args=["harbour"])


def test_who_belongs_nowhere_is_told_so(db: None) -> None:
    client = Client()
    client.force_login(factories.person("new"))
    answer = client.get(reverse("web:home"))
    assert answer.status_code == 200
    assert "You do not belong to a collection yet" in answer.content.decode()
