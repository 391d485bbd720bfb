"""The loop by itself over REST: switched on by admins, told to everybody; and a model's card."""

from earmark.loop.models import PolicyAct
from tests.api.world import World, build


def test_a_policy_is_changed_by_name_and_says_what_it_waits_for(world: World) -> None:
    address = f"/api/v1/collections/{world.collection.slug}/policy/"
    told = world.client("viewer").get(address).json()
    assert (told["train"], told["train_minutes"]) == (False, 30.0)
    assert told["standing"] == {"policy": "off: nothing happens by itself"}
    sent = {"train": True, "train_minutes": 12, "promote": True}
    told = world.client("admin").put(address, sent, format="json").json()
    assert (told["train"], told["train_minutes"], told["round_minutes"]) == (True, 12.0, 30.0)
    assert told["standing"]["train"] == "a training is running"
    refused = world.client("admin").put(address, {"trian": True}, format="json")
    assert (refused.status_code, refused.json()["error_id"]) == (400, "loop:policy:unknown")
    assert world.client("admin").put(address, [1], format="json").status_code == 400


def test_what_the_loop_did_is_listed(world: World) -> None:
    details = {"training": 7, "recipe": "article", "labelled_minutes": 31.5}
    PolicyAct.objects.create(collection=world.collection, act="train", details=details)
    PolicyAct.objects.create(collection=build("scottish").collection, act="close-round", details={"round": 2})
    address = f"/api/v1/collections/{world.collection.slug}/policy/acts/"
    (one,) = world.client("viewer").get(address).json()["results"]
    assert one["details"] == details
    assert one["told"] == "Launched training 7 by the recipe article on 31.5 min of new labels."


def test_a_card_tells_what_was_measured_where_one_may_look(world: World) -> None:
    other = build("scottish")
    address = f"/api/v1/models/{world.model.pk}/card/"
    answer = world.client("viewer").get(address)
    assert answer.headers["Content-Type"].startswith("text/markdown")
    assert world.test_set.digest[:12] in answer.content.decode()
    assert world.client("viewer").get(f"/api/v1/models/{other.model.pk}/card/").status_code == 404
