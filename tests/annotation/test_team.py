"""Who labels and by which rules: what may be set, and what the rules would do."""

from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from annotation.routing_models import Annotator, RoutingRule
from annotation.routing_preview import preview
from annotation.team import set_annotator, set_rules
from earmark.accounts.models import AuditEntry, User
from earmark.accounts.roles import Role
from earmark.corpus.models import Clip, Collection
from earmark.corpus.services import add_member
from earmark.jobs.models import Job
from earmark.speech.errors import EarmarkError
from tests.annotation.fake_label_studio import FakeLabelStudio
from tests.annotation.test_passes import opened
from tests.annotation.world import heard_collection

pytestmark = pytest.mark.django_db


@pytest.fixture
def collection(studio: FakeLabelStudio) -> Collection:
    return heard_collection(8)


def member(collection: Collection, name: str, role: Role = Role.ANNOTATOR) -> User:
    user = User.objects.create(username=name, email=f"{name}@example.org")
    add_member(collection=collection, user=user, role=role)
    return user


def test_an_annotator_is_set_and_open_rounds_are_given_out_anew(collection: Collection) -> None:
    row = opened(collection)
    Job.objects.all().delete()
    user = member(collection, "anna")
    set_annotator(collection=collection, user=user, by=None, languages=["en"], daily_seconds=600.0)
    set_annotator(collection=collection, user=user, by=None, is_active=False)
    told = Annotator.objects.get()
    assert (told.languages, told.daily_seconds, told.is_active) == (["en"], 600.0, False)
    assert [job.arguments for job in Job.objects.filter(kind="annotation.reroute")] == [
        {"round_id": row.pk}
    ] * 2
    assert AuditEntry.objects.filter(verb="set annotator").count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"daily_seconds": -1.0},
        {"daily_seconds": float("nan")},
        {"away_from": date(2026, 12, 2), "away_until": date(2026, 12, 1)},
        {"user_id": 7},
    ],
)
def test_nonsense_about_an_annotator_is_refused(collection: Collection, fields: dict[str, Any]) -> None:
    user = member(collection, "anna")
    with pytest.raises(EarmarkError) as caught:
        set_annotator(collection=collection, user=user, by=None, **fields)
    assert caught.value.error_id == "annotation:annotator:settings"
    assert not Annotator.objects.exists()


def test_only_members_who_may_label_are_annotators(collection: Collection) -> None:
    viewer = member(collection, "vera", Role.VIEWER)
    for user in (viewer, User.objects.create(username="out", email="out@example.org")):
        with pytest.raises(EarmarkError) as caught:
            set_annotator(collection=collection, user=user, by=None)
        assert caught.value.error_id == "annotation:annotator:not-a-member"


def test_rules_are_replaced_in_their_order_and_keep_who_they_are(collection: Collection) -> None:
    anna = set_annotator(collection=collection, user=member(collection, "anna"), by=None)
    set_rules(collection=collection, rules=[{"name": "a"}, {"name": "b", "annotators": [anna.pk]}], by=None)
    first, second = RoutingRule.objects.all()
    assert list(second.annotators.all()) == [anna]
    changed = [{"id": second.pk, "name": "b", "people": 2}, {"name": "c"}]
    set_rules(collection=collection, rules=changed, by=None)
    told = list(RoutingRule.objects.values_list("pk", "name", "people"))
    assert told[0] == (second.pk, "b", 2)
    assert [name for _, name, _ in told] == ["b", "c"]
    assert not second.annotators.exists()
    assert not RoutingRule.objects.filter(pk=first.pk).exists()


@pytest.mark.parametrize(
    "rule",
    [
        {"name": " "},
        {"name": "x", "share": 0},
        {"name": "x", "share": float("nan")},
        {"name": "x", "people": 10},
        {"name": "x", "least_error": 0.5, "most_error": 0.1},
        {"name": "x", "id": 999},
        {"name": "x", "annotators": [999]},
        {"name": "x", "position": 3},
    ],
)
def test_nonsense_about_a_rule_is_refused(collection: Collection, rule: dict[str, Any]) -> None:
    set_rules(collection=collection, rules=[{"name": "stays"}], by=None)
    with pytest.raises(EarmarkError) as caught:
        set_rules(collection=collection, rules=[{"name": "fine"}, rule], by=None)
    assert caught.value.error_id == "annotation:rule:settings"
    assert list(RoutingRule.objects.values_list("name", flat=True)) == ["stays"]


def test_the_preview_says_what_each_rule_takes_and_who_could(
    collection: Collection, django_assert_max_num_queries: Any
) -> None:
    Clip.objects.filter(pk__in=list(collection.clips.values_list("pk", flat=True))[:2]).update(language="yue")
    anna = set_annotator(collection=collection, user=member(collection, "anna"), by=None, languages=["en"])
    bo = set_annotator(collection=collection, user=member(collection, "bo"), by=None, languages=["en", "yue"])
    rules = [
        {"name": "yue", "languages": ["yue"], "people": 2},
        {"name": "hard", "least_error": 0.5, "share": 0.5},
        {"name": "off", "is_active": False},
    ]
    set_rules(collection=collection, rules=rules, by=None)
    with django_assert_max_num_queries(8):
        yue, hard, rest = preview(collection, now=timezone.now())
    assert (yue.clips, yue.too_few, yue.people) == (2, 2, {bo.pk: 2}), "two are wanted, one knows it"
    doubted = 2  # of six clips with confidences from 3/9 on
    assert (hard.clips, hard.too_few) == (doubted / 2, 0)
    assert rest.rule is None
    assert rest.clips == 6 - doubted / 2
    assert set(rest.people) == {anna.pk, bo.pk}
