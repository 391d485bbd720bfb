"""How clips are cut and judged, over REST."""

import pytest

from earmark.accounts.models import AuditEntry
from earmark.corpus.models import Clip, Collection, Segmentation
from earmark.jobs.models import Job
from tests.api.world import World

pytestmark = pytest.mark.django_db
IN = "/api/v1/collections/cantonese/"


def test_a_collection_gets_thresholds_of_its_own(world: World) -> None:
    manager = world.client("manager")
    answer = manager.put(f"{IN}gate/", {"least_snr_db": 7.5}, format="json")
    assert answer.status_code == 202
    assert answer.json()["job"]["kind"] == "corpus.judge"
    assert Collection.objects.get(slug="cantonese").gate == {"least_snr_db": 7.5}
    told = manager.get(f"{IN}gate/").json()
    assert (told["least_snr_db"], told["most_silence_share"]) == (7.5, 0.95)


@pytest.mark.parametrize("body", [{"least_snr": 1}, {"least_snr_db": "loud"}, {"most_silence_share": 2}, [1]])
def test_a_bad_threshold_changes_nothing(world: World, body: object) -> None:
    answer = world.client("manager").put(f"{IN}gate/", body, format="json")
    assert answer.status_code == 400
    assert Collection.objects.get(slug="cantonese").gate == {}
    assert not Job.objects.filter(kind="corpus.judge").exists()


def test_cutting_again_makes_a_generation_and_a_job(world: World) -> None:
    answer = world.client("manager").post(f"{IN}recut/", {"shortest_pause": 1.0}, format="json")
    assert answer.status_code == 202
    made = Segmentation.objects.get(generation=answer.json()["generation"])
    assert (made.parameters["shortest_pause"], made.parameters["longest"]) == (1.0, 30.0)
    wrong = world.client("manager").post(f"{IN}recut/", {"longest": 90}, format="json")
    assert (wrong.status_code, wrong.json()["error_id"]) == (400, "corpus:segmentation:value")


def test_a_reviewer_overrules_the_gate_with_a_reason(world: World) -> None:
    clip = Clip.objects.filter(collection__slug="cantonese").first()
    assert clip is not None
    address = f"/api/v1/clips/{clip.pk}/fitness/"
    answer = world.client("reviewer").post(address, {"is_fit": False, "why": "music"}, format="json")
    assert answer.json() == {"is_fit": False, "unfit": "by_hand"}
    assert AuditEntry.objects.get(verb="overrule gate").details["why"] == "music"
    assert world.client("reviewer").post(address, {"is_fit": True}, format="json").status_code == 400
