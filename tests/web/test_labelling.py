"""The labelling plan's page, tokens for Label Studio, and accounts there."""

from collections.abc import Callable

import pytest
from django.test import Client
from knox.models import AuthToken

from annotation import label_studio
from annotation.plans import plan_of, set_plan
from annotation.review_models import Invitation, LabellingPlan
from earmark.accounts.models import AuditEntry, User
from earmark.corpus.models import Collection
from earmark.speech.errors import EarmarkError
from tests.annotation.fake_label_studio import FakeLabelStudio
from tests.web.factories import World

pytestmark = pytest.mark.django_db

SignIn = Callable[[User | None], Client]
PLAN = {
    "glossary": "大埔墟\r\nGLM-ASR\r\n\r\nGLM-ASR", "known_percent": "5", "control_percent": "2.5",
    "review_percent": "10", "review_above_percent": "", "idle_seconds": "90", "hourly_cost": "31.5", "currency": "cny",
}  # fmt: skip


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> FakeLabelStudio:
    fake = FakeLabelStudio()
    monkeypatch.setattr(label_studio, "client", lambda: fake)
    return fake


def test_a_manager_sets_the_plan_and_the_audit_log_says_so(world: World, signed_in: SignIn) -> None:
    client, at = signed_in(world.people["manager"]), f"/c/{world.collection.slug}/labelling/"
    assert client.post(f"{at}set/", PLAN).status_code == 302
    plan = LabellingPlan.objects.get(collection=world.collection)
    assert (plan.glossary, plan.currency) == ("大埔墟\nGLM-ASR", "CNY")
    assert (plan.known_share, plan.control_share, plan.idle_seconds, plan.hourly_cost) == (
        0.05,
        0.025,
        90,
        31.5,
    )
    assert (plan.review_share, plan.review_above) == (0.1, None)
    entry = AuditEntry.objects.get(verb="change labelling plan")
    assert entry.details["changed"]["known_share"] == [0.0, 0.05]
    shown = client.get(at).content.decode()
    assert "大埔墟" in shown
    assert 'value="2.5"' in shown
    assert client.post(f"{at}set/", {**PLAN, "hourly_cost": ""}).status_code == 302
    assert plan_of(world.collection).hourly_cost is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"known_percent": "51"}, "50"), ({"idle_seconds": "0"}, "1"), ({"currency": "€€€"}, "three letters"),
        ({"glossary": "\n".join(map(str, range(201)))}, "200 lines"), ({"hourly_cost": "-1"}, "0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_at_its_field(
    world: World, signed_in: SignIn, changed: dict[str, str], said: str
) -> None:
    client = signed_in(world.people["manager"])
    answer = client.post(f"/c/{world.collection.slug}/labelling/set/", PLAN | changed)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not LabellingPlan.objects.exists()


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({"colour": 1}, "unknown"), ({"glossary": 7}, "type"), ({"known_share": "0.1"}, "type"),
        ({"known_share": True}, "type"), ({"idle_seconds": None}, "type"), ({"idle_seconds": float("nan")}, "type"),
        ({"control_share": 0.6}, "range"), ({"currency": "EURO"}, "range"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_changes_nothing(db: None, changes: dict[str, object], ending: str) -> None:
    collection = Collection.objects.create(slug="one", name="One")
    with pytest.raises(EarmarkError) as caught:
        set_plan(collection=collection, changes={"idle_seconds": 30, **changes}, by=None)
    assert caught.value.error_id == f"annotation:plan:{ending}"
    assert plan_of(collection).idle_seconds == 60


def test_a_token_is_shown_once_and_opens_the_ml_backend(world: World, signed_in: SignIn) -> None:
    person = world.people["annotator"]
    client, at = signed_in(person), f"/c/{world.collection.slug}/labelling/"
    shown = client.post(f"{at}token/").content.decode()
    token = shown.partition('id="token">')[2].partition("<")[0]
    assert AuthToken.objects.get(user=person).token_key == token[: len(AuthToken.objects.get().token_key)]
    assert token not in client.get(at).content.decode()
    assert AuditEntry.objects.filter(verb="make token for Label Studio", actor=person).exists()


def test_a_link_is_shown_once_and_the_account_is_mapped_by_hand(
    world: World, signed_in: SignIn, studio: FakeLabelStudio
) -> None:
    client, at = signed_in(world.people["manager"]), f"/c/{world.collection.slug}/accounts/"
    member = world.collection.memberships.get(user=world.people["annotator"])
    shown = client.post(f"{at}{member.pk}/invite/").content.decode()
    link = shown.partition('id="link">')[2].partition("<")[0]
    assert "/join/" in link
    assert Client().get("/join/" + link.partition("/join/")[2]).status_code == 200
    assert link not in client.get(at).content.decode()
    assert Invitation.objects.count() == 1
    sent = {"username": "annotator", "address": "bo@example.org"}
    assert client.post(f"{at}map/", sent).status_code == 302
    assert "bo@example.org" in client.get(at).content.decode()
    wrong = client.post(f"{at}map/", sent | {"address": "nobody@example.org"})
    assert "annotation:account:unknown" in client.get(at).content.decode() + wrong.content.decode()


def test_the_pages_ask_the_same_of_any_number_of_people(
    world: World, signed_in: SignIn, django_assert_max_num_queries
) -> None:
    client = signed_in(world.people["manager"])
    for at in ("accounts", "labelling"):
        client.get(f"/c/{world.collection.slug}/{at}/")
        with django_assert_max_num_queries(12):
            client.get(f"/c/{world.collection.slug}/{at}/")
