"""What lists and pages say, how they are narrowed, and that they ask the database a fixed number of questions."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from earmark.corpus.models import Clip
from earmark.jobs.models import Job, Status
from earmark.recognition.models import Hypothesis, ModelVersion
from tests.api.world import World, build, members

IN = "/api/v1/collections/cantonese/"


def rows(world: World, address: str, name: str = "viewer") -> list[dict[str, Any]]:
    answer = world.client(name).get(f"{IN}{address}")
    assert answer.status_code == 200, answer.json()
    return answer.json()["results"]


@pytest.mark.parametrize(
    ("narrowed", "count"),
    [
        ("", 9),
        ("?state=labelled", 3),
        ("?state=labelled&state=heard", 9),
        ("?split=train", 3),
        ("?language=yue&dialect=hong kong", 9),
        ("?language=en", 0),
        ("?speaker=cantonese-dev", 3),
        ("?confidence_max=0.3", 3),
        ("?confidence_min=0.5", 3),
        ("?confidence_min=0.2&confidence_max=0.5", 3),
        ("?flags=loop", 3),
        ("?flags=silence,loop", 3),
        ("?flags=silence", 0),
        ("?split=dev&flags=loop", 1),
        ("?confidence_min=0&model=0", 0),
    ],
)
def test_clips_are_narrowed(world: World, narrowed: str, count: int) -> None:
    assert len(rows(world, f"clips/{narrowed}")) == count


@pytest.mark.parametrize(
    "narrowed", ["?state=lost", "?split=left", "?confidence_min=2", "?model=x", "?recording=x"]
)
def test_a_condition_that_cannot_be_is_refused(world: World, narrowed: str) -> None:
    assert world.client("viewer").get(f"{IN}clips/{narrowed}").json()["error_id"] == "api:request:invalid"


def test_a_clip_shows_what_the_champion_heard_or_the_model_asked_for(world: World) -> None:
    rival = ModelVersion.objects.create(name="rival", source="/nowhere")
    Hypothesis.objects.create(clip=world.clips[0], model=rival, text="yi yi saam", confidence=0.4)
    clip, *rest = rows(world, "clips/")
    assert clip["hypothesis"]["text"] == "yat yi saam"
    assert clip["reference"]["version"] == 2
    assert rest[0]["reference"] is None
    clip, *rest = rows(world, f"clips/?model={rival.pk}")
    assert clip["hypothesis"]["text"] == "yi yi saam"
    assert rest[0]["hypothesis"] is None


def test_one_clip_tells_everything(world: World) -> None:
    clip = world.client("viewer").get(f"/api/v1/clips/{world.clips[0].pk}/").json()
    assert [each["tokens"] for each in clip["hypotheses"]] == [[["yat", -0.1, 0.2]]]
    assert [each["version"] for each in clip["references"]] == [2, 1]
    assert clip["recording"]["name"] == "train/0.wav"
    assert "/audio/" in clip["audio_url"]
    assert "sig=" in clip["audio_url"]


def test_pages_follow_one_another_without_a_gap(world: World) -> None:
    client = world.client("viewer")
    seen: list[int] = []
    address: str | None = f"{IN}clips/?page_size=4&split=train&state=heard&state=labelled"
    Clip.objects.bulk_create(
        Clip(
            collection=world.collection,
            recording=world.clips[0].recording,
            start=1 + number,
            seconds=1,
            split="train",
        )
        for number in range(8)
    )
    Clip.objects.filter(state="new").update(state="heard")
    while address:
        page = client.get(address).json()
        assert "count" not in page
        seen += [each["id"] for each in page["results"]]
        address = page["next"]
    assert len(seen) == 11
    assert seen == sorted(set(seen))


LISTS = {
    "clips": 4, "hypotheses": 2, "references": 2, "recordings": 2, "imports": 2, "rounds": 2, "annotations": 2,
    "snapshots": 2, "exports": 2, "training-jobs": 2, "evaluations": 2, "aliases": 2, "jobs": 2, "status": 12,
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_a_list_asks_a_fixed_number_of_questions(
    db: None, name: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    world = build(per_side=12)
    world.people = members(world.collection)
    client = world.client("viewer")
    permission = 1
    with django_assert_max_num_queries(LISTS[name] + permission + (1 if name == "clips" else 0)):
        assert client.get(f"{IN}{name}/").status_code == 200


def test_collections_and_people_ask_a_fixed_number_of_questions(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = world.client("superuser")
    for number in range(5):
        build(f"other-{number}")
    with django_assert_max_num_queries(1):
        assert len(client.get("/api/v1/collections/").json()["results"]) == 6
    with django_assert_max_num_queries(1):
        assert len(client.get("/api/v1/me/").json()["memberships"]) == 6


def test_one_clip_asks_a_fixed_number_of_questions(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = world.client("viewer")
    with django_assert_max_num_queries(4):
        client.get(f"/api/v1/clips/{world.clips[0].pk}/")


def test_files_of_an_import_say_what_became_of_them(world: World) -> None:
    client = world.client("viewer")
    made = client.get(f"/api/v1/imports/{world.pks['imports']}/").json()
    assert made["outcomes"] == {"ingested": 1, "duplicate": 0, "failed": 1}
    assert made["left_aside"] == {".txt": 1}
    assert "/spool" not in str(made)
    failed = client.get(f"/api/v1/imports/{world.pks['imports']}/files/?outcome=failed").json()["results"]
    assert [(each["path"], each["error_id"]) for each in failed] == [("bad.wav", "corpus:audio:unreadable")]


def test_a_round_says_how_far_it_is(world: World) -> None:
    told = world.client("viewer").get(f"/api/v1/rounds/{world.round.pk}/").json()
    assert told["progress"]["labelled"] == told["progress"]["tasks"] == 1
    assert told["progress"]["labelled_seconds"] == 1.0
    assert f"/projects/{world.round.project_id}/" in told["label_studio_url"]


def test_metrics_after_a_position_are_only_the_new_ones(world: World) -> None:
    address = f"/api/v1/training-jobs/{world.training.pk}/metrics/?after=0"
    found = world.client("viewer").get(address).json()["results"]
    assert [each["position"] for each in found] == [100, 200]


def test_items_of_a_snapshot_keep_the_text_of_that_moment(world: World) -> None:
    address = f"/api/v1/snapshots/{world.training_set.pk}/items/"
    found = world.client("viewer").get(address).json()["results"]
    assert [(each["split"], each["text"]) for each in found] == [
        ("train", "yat yi saam"),
        ("dev", "yat yi saam"),
    ]
    assert world.client("viewer").get(f"{address}?labelled=false").json()["results"] == []


def test_a_job_without_a_collection_is_its_askers_alone(world: World) -> None:
    job = Job.objects.create(
        kind="x", queue="cpu", created_by=world.people["viewer"], status=Status.FAILED, error_id="a:b"
    )
    address = f"/api/v1/jobs/{job.pk}/"
    assert world.client("viewer").get(address).json()["error_id"] == "a:b"
    assert world.client("admin").get(address).status_code == 404


def test_progress_is_a_share(world: World) -> None:
    job = Job.objects.get(pk=world.pks["jobs"])
    Job.objects.filter(pk=job.pk).update(done=30, total=120)
    assert world.client("viewer").get(f"/api/v1/jobs/{job.pk}/").json()["progress"] == 0.25
    Job.objects.filter(pk=job.pk).update(status=Status.SUCCEEDED, total=0)
    assert world.client("viewer").get(f"/api/v1/jobs/{job.pk}/").json()["progress"] == 1.0


def test_where_the_loop_stands(world: World) -> None:
    told = world.client("viewer").get(f"{IN}status/").json()
    assert (told["champion"], told["error_rate"], told["interval"]) == ("base-cantonese", 0.2, [0.1, 0.3])
    assert told["clips"]["labelled"] == 3


def test_no_address_tells_where_models_lie_on_the_server(world: World) -> None:
    client = world.client("viewer")
    for address in ("/api/v1/models/", f"/api/v1/models/{world.model.pk}/", f"{IN}aliases/"):
        assert "/nowhere" not in client.get(address).content.decode()
