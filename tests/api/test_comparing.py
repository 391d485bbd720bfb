"""Comparisons and registrations over REST."""

import pytest

from earmark.jobs.models import Job
from tests.api.world import World
from training_jobs.models import Comparison

MODELS = "/api/v1/models/"


def comparisons(world: World) -> str:
    return f"/api/v1/collections/{world.collection.slug}/comparisons/"


def test_a_comparison_is_asked_for_once_and_watched(world: World) -> None:
    sent = {"a": world.model.pk, "b": world.rival.pk, "digits": True, "snapshot": world.test_set.digest[:9]}
    client = world.client("manager")
    first, again = (client.post(comparisons(world), sent, format="json").json() for _ in range(2))
    assert first["comparison"]["id"] == again["comparison"]["id"]
    made = Comparison.objects.get(pk=first["comparison"]["id"])
    assert (made.snapshot, made.options["digits"], made.options["simplified"]) == (
        world.test_set,
        True,
        False,
    )
    assert (made.job and made.job.queue) == "gpu"
    assert first["job"]["kind"] == "training_jobs.compare"


def test_its_report_comes_whole_and_as_markdown(world: World) -> None:
    pk = world.pks["comparisons"]
    client = world.client("viewer")
    listed = client.get(comparisons(world)).json()["results"]
    assert [one["id"] for one in listed] == [pk]
    assert "report" not in listed[0]
    found = client.get(f"/api/v1/comparisons/{pk}/").json()
    assert found["report"]["overall"]["difference"]["value"] < 0
    page = client.get(f"/api/v1/comparisons/{pk}/markdown/")
    assert page.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert page.content.decode().startswith("# base-cantonese / rival-cantonese")


@pytest.mark.parametrize(
    ("sent", "status", "error_id"),
    [
        ({"b": "same"}, 400, "comparison:models:same"),
        ({"snapshot": "ffff"}, 400, "datasets:snapshot:unknown"),
        ({"sample_seconds": 0}, 400, "api:request:invalid"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    world: World, sent: dict[str, object], status: int, error_id: str
) -> None:
    whole = {"a": world.model.pk, "b": world.rival.pk, **sent}
    if sent.get("b") == "same":
        whole["b"] = world.model.pk
    answer = world.client("manager").post(comparisons(world), whole, format="json")
    assert (answer.status_code, answer.json()["error_id"]) == (status, error_id)


def test_an_unfinished_comparison_has_no_markdown_yet(world: World) -> None:
    made = Comparison.objects.create(a=world.model, b=world.rival, snapshot=world.test_set)
    answer = world.client("viewer").get(f"/api/v1/comparisons/{made.pk}/markdown/")
    assert (answer.status_code, answer.json()["error_id"]) == (409, "comparison:report:missing")


def test_a_compared_model_is_seen_by_the_collections_people(world: World) -> None:
    names = [one["name"] for one in world.client("viewer").get(MODELS).json()["results"]]
    assert names == ["rival-cantonese", "base-cantonese"]


def test_a_model_is_registered_by_a_job_and_wrong_ones_at_once(world: World) -> None:
    client = world.client("superuser")
    job = client.post(MODELS, {"name": "large", "source": "openai/whisper-large-v3"}, format="json").json()[
        "job"
    ]
    queued = Job.objects.get(pk=job["id"])
    assert (queued.kind, queued.queue) == ("recognition.register", "gpu")
    assert queued.arguments == {"name": "large", "source": "openai/whisper-large-v3", "engine": ""}
    for sent, error_id in [
        ({"name": "x", "source": "http://10.0.0.1/v1#m"}, "recognition:remote:not-allowed"),
        ({"name": "x", "source": "/m", "engine": "kaldi"}, "recognition:engine:unknown"),
        ({"name": "a\tb", "source": "/m"}, "recognition:model:name"),
    ]:
        answer = client.post(MODELS, sent, format="json")
        assert (answer.status_code >= 400, answer.json()["error_id"]) == (True, error_id)
