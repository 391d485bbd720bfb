"""`earmark promote`, `roll-back`, `champions` and `policy`, as a person types them."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from earmark.config.cli import earmark
from earmark.corpus.models import Collection
from earmark.loop.models import PolicyAct
from earmark.loop.policies import policy_of
from earmark.recognition.registry import holder, set_alias
from tests.loop.world import make_measured, measured

pytestmark = pytest.mark.django_db


@pytest.fixture
def place() -> Collection:
    collection, snapshot = make_measured()
    first = measured(snapshot, {"scottish": 2, "american": 1}, name="first")
    set_alias(collection=collection, name="champion", model=first, by=None)
    measured(snapshot, {"scottish": 1, "american": 1}, name="second")
    measured(snapshot, {"scottish": 4, "american": 1}, name="third")
    return collection


def typed(collection: Collection, *words: str) -> Result:
    return CliRunner().invoke(earmark, [*words, "-c", collection.slug])


def told(collection: Collection, *words: str) -> Any:
    answer = typed(collection, *words, "--json")
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.output)


def test_a_model_is_promoted_kept_forced_and_taken_back(place: Collection) -> None:
    made = told(place, "promote", "second")
    assert (made["outcome"], made["champion"], made["verdict"]["promote"]) == ("better", "second", True)
    kept = typed(place, "promote", "third")
    assert kept.exit_code == 0
    assert "worse, +25.0 points" in kept.output
    assert holder(place, "champion").name == "second"  # type: ignore[union-attr]
    assert told(place, "promote", "third", "--reason", "It is a tenth of the size.")["champion"] == "third"
    assert told(place, "roll-back")["champion"] == "second"
    listed = told(place, "champions")["promotions"]
    assert [one["outcome"] for one in listed] == ["rolled-back", "reason", "kept", "better"]
    assert "It is a tenth of the size." in typed(place, "champions").output
    short = typed(place, "promote", "third", "--reason", "so")
    assert (short.exit_code, "loop:promotion:reason" in short.output) == (1, True)


def test_a_policy_is_set_shown_and_switched_off(place: Collection) -> None:
    assert told(place, "policy", "show")["standing"] == {"policy": "off: nothing happens by itself"}
    changed = told(
        place, "policy", "set", "train=on", "train_minutes=12", 'overrides={"learning_rate": 1e-4}'
    )
    assert changed["standing"] == {"train": "waiting: 0 of 12 min labelled"}
    assert policy_of(place).overrides == {"learning_rate": 1e-4}
    assert "waiting: 0 of 12 min labelled" in typed(place, "policy", "show").output
    assert typed(place, "policy", "set", "train").exit_code == 2
    assert "loop:policy:unknown" in typed(place, "policy", "set", "trian=on").output
    assert told(place, "policy", "off")["train"] is False
    PolicyAct.objects.create(collection=place, act="close-round", details={"round": 4})
    assert "Closed round 4" in typed(place, "policy", "history").output
    assert told(place, "policy", "history")["acts"][0]["round"] == 4
