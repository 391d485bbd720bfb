"""The pages of promotions and of the loop by itself: verdicts, champions, switches, and what the loop did."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import Round
from earmark.accounts.models import User
from earmark.jobs.models import Job
from earmark.loop.models import PolicyAct, Promotion
from earmark.loop.policies import policy_of, set_policy
from earmark.recognition.registry import holder, set_alias
from tests.web import factories
from tests.web.factories import World

SignIn = Callable[[User | None], Client]
SENT = {
    "train": "on", "train_minutes": 12, "recipe": "supervised", "round_minutes": 5, "monthly_minutes": 60,
    "strategy": "annotation.acquisition.random", "audit_percent": 20, "stop_gain": 1, "stop_rounds": 2,
}  # fmt: skip


def address(world: World, name: str, **arguments: Any) -> str:
    return reverse(f"web:{name}", kwargs={"slug": world.collection.slug, **arguments})


def test_a_model_is_judged_on_its_page_and_promoted_or_not(world: World, signed_in: SignIn) -> None:
    base, better = world.models
    set_alias(collection=world.collection, name="champion", model=base, by=None)
    client = signed_in(world.people["manager"])
    assert (
        address(world, "model_verdict", pk=better.pk)
        in client.get(address(world, "model", pk=better.pk)).content.decode()
    )
    told = client.get(address(world, "model_verdict", pk=better.pk)).content.decode()
    assert "clips of the frozen test set" in told
    assert f"?a={base.pk}&amp;b={better.pk}" in told
    assert "Promote it all the same" not in told, "that is for admins"
    answer = client.post(address(world, "model_promote", pk=better.pk), follow=True)
    row = Promotion.objects.get()
    assert row.verdict["clips"] == len([clip for clip in world.clips if clip.split == "test"])
    assert (holder(world.collection, "champion") == better) is row.is_change
    page = answer.content.decode()
    assert ("is the champion now" if row.is_change else "stays challenger") in page
    assert row.get_outcome_display() in client.get(address(world, "models")).content.decode()


def test_an_admin_says_why_and_one_click_takes_it_back(world: World, signed_in: SignIn) -> None:
    base, better = world.models
    sent = {"reason": "The test set lacks <b>the new</b> microphones."}
    client = signed_in(world.people["admin"])
    assert (
        "Promote it all the same" in client.get(address(world, "model_verdict", pk=base.pk)).content.decode()
    )
    assert (
        signed_in(world.people["manager"]).post(address(world, "model_promote", pk=base.pk), sent).status_code
        == 403
    )
    client.post(address(world, "model_promote", pk=base.pk), sent)
    assert holder(world.collection, "champion") == base
    page = client.get(address(world, "models")).content.decode()
    assert "The test set lacks &lt;b&gt;the new&lt;/b&gt; microphones." in page
    assert f"Roll back to {better.name}" in page
    assert (
        f"Roll back to {better.name}"
        not in signed_in(world.people["viewer"]).get(address(world, "models")).content.decode()
    )
    client.post(address(world, "champion_back"))
    assert holder(world.collection, "champion") == better
    too_short = client.post(address(world, "model_promote", pk=base.pk), {"reason": "better"}, follow=True)
    assert "loop:promotion:reason" in too_short.content.decode()


def test_a_model_without_figures_is_told_why_it_cannot_be_judged(world: World, signed_in: SignIn) -> None:
    bare = factories.ModelVersion.objects.create(name="bare", source="/b", parent=world.models[0])
    world.collection.training_jobs.update(model=None)
    world.collection.training_jobs.filter(pk=world.training.pk).update(model=bare)
    told = signed_in(world.people["viewer"]).get(address(world, "model_verdict", pk=bare.pk)).content.decode()
    assert "bare has no error rate on the test set" in told
    card = signed_in(world.people["viewer"]).get(address(world, "model_card", pk=bare.pk))
    assert card.headers["Content-Disposition"] == 'attachment; filename="bare.md"'
    assert "not measured on a frozen test set" in card.content.decode()


def test_rules_are_switched_on_with_their_thresholds_and_off_at_once(world: World, signed_in: SignIn) -> None:
    client = signed_in(world.people["admin"])
    assert "Everything is off" in client.get(address(world, "automation")).content.decode()
    client.post(address(world, "automation_set"), SENT)
    policy = policy_of(world.collection)
    assert (policy.train, policy.train_minutes, policy.recipe, policy.audit_share) == (
        True,
        12,
        "supervised",
        0.2,
    )
    assert (policy.promote, policy.open_rounds, policy.changed_by) == (False, False, world.people["admin"])
    page = client.get(address(world, "automation")).content.decode()
    assert "a training is running" in page
    assert "checked" in page
    seen = signed_in(world.people["viewer"]).get(address(world, "automation")).content.decode()
    assert '<fieldset class="rules" disabled>' in seen
    assert 'id="save"' not in seen
    client.post(address(world, "automation_off"))
    assert not policy_of(world.collection).rules.is_on


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"train_minutes": "0"}, "greater than or equal to 0.1"),
        ({"recipe": "magic"}, "Select a valid choice"),
        ({"open_rounds": "on", "round_minutes": 90}, "does not fit into 60 min a month"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    world: World, signed_in: SignIn, changes: dict[str, Any], told: str
) -> None:
    client = signed_in(world.people["admin"])
    answer = client.post(address(world, "automation_set"), {**SENT, **changes}, follow=True)
    assert told in answer.content.decode()
    assert not policy_of(world.collection).train


def test_what_the_loop_did_leads_to_what_came_of_it(world: World, signed_in: SignIn) -> None:
    details = {"training": world.training.pk, "recipe": "article", "labelled_minutes": 30.5}
    PolicyAct.objects.create(collection=world.collection, act="train", details=details)
    PolicyAct.objects.create(
        collection=world.collection, act="open-round", details={"round": 2, "minutes": 5}
    )
    set_policy(collection=world.collection, changes={"train": True}, by=None)
    policy = policy_of(world.collection)
    policy.held_act, policy.held_error_id, policy.held_error = (
        "train",
        "datasets:snapshot:leak",
        "A speaker leaks.",
    )
    policy.save()
    page = signed_in(world.people["viewer"]).get(address(world, "automation")).content.decode()
    assert address(world, "training", pk=world.training.pk) in page
    assert "on 30.5 min of new labels" in page
    assert address(world, "round", number=2) in page
    assert "A speaker leaks." in page


def test_a_round_that_could_not_be_opened_can_be_closed(world: World, signed_in: SignIn) -> None:
    one = Round.objects.create(
        collection=world.collection, number=90, strategy="s", budget_seconds=60, audit_share=0, seed=1,
        model=world.models[0],
    )  # fmt: skip
    opening = Job.objects.create(
        kind="annotation.open_round", scope=world.collection.scope, arguments={"round_id": one.pk}
    )
    client = signed_in(world.people["manager"])
    page, close = (address(world, name, number=one.number) for name in ("round", "round_close"))
    assert close not in client.get(page).content.decode(), "it is on its way"
    Job.objects.filter(pk=opening.pk).update(status="failed")
    assert close in client.get(page).content.decode()
    client.post(close)
    one.refresh_from_db()
    assert one.status == "closed"
