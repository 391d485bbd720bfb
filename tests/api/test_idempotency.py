"""A request that is sent twice is done once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from earmark.api.models import KeptAnswer
from earmark.jobs.models import Job
from tests.api.world import World, build, members

ADDRESS = "/api/v1/collections/cantonese/training-jobs/"


def launch(world: World, key: str, **body: Any) -> Any:
    sent = {"recipe": "article", "seed": 7, **body}
    return world.client("admin").post(ADDRESS, sent, format="json", headers={"Idempotency-Key": key})


def trainings() -> int:
    return Job.objects.filter(kind="training_jobs.train").count()


def test_the_same_key_gives_the_same_answer_and_does_nothing_twice(world: World) -> None:
    before = trainings()
    first, second = launch(world, "k1"), launch(world, "k1")
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert first.headers["Location"] == second.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert trainings() == before + 1


def test_without_a_key_or_with_another_it_is_done_again(world: World) -> None:
    before = trainings()
    client = world.client("admin")
    for key in ("k1", "k2"):
        launch(world, key)
    client.post(ADDRESS, {"recipe": "article"}, format="json")
    assert trainings() == before + 3


def test_the_same_key_with_another_request_is_refused(world: World) -> None:
    launch(world, "k1")
    refused = launch(world, "k1", seed=8)
    assert refused.status_code == 409
    assert refused.json()["error_id"] == "api:idempotency:mismatch"


def test_keys_belong_to_people(world: World) -> None:
    launch(world, "k1")
    other = world.client("superuser").post(
        ADDRESS, {"recipe": "article", "seed": 9}, format="json", headers={"Idempotency-Key": "k1"}
    )
    assert other.status_code == 202


def test_a_refused_request_leaves_its_key_free(world: World) -> None:
    before = trainings()
    assert launch(world, "k1", recipe="nonsense").status_code == 400
    assert launch(world, "k1").status_code == 202
    assert trainings() == before + 1


def test_a_key_is_forgotten_after_a_day(world: World) -> None:
    launch(world, "k1")
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert "Idempotency-Replayed" not in launch(world, "k1", seed=8).headers


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
def test_a_key_must_be_one(world: World, key: str) -> None:
    assert launch(world, key).json()["error_id"] == "api:idempotency:key"


def test_an_upload_is_known_by_its_bytes(world: World) -> None:
    def upload(content: bytes) -> Any:
        return world.client("manager").post(
            "/api/v1/collections/cantonese/imports/",
            {"files": [SimpleUploadedFile("a.wav", content)]},
            format="multipart",
            headers={"Idempotency-Key": "k1"},
        )

    first, again, other = upload(b"one"), upload(b"one"), upload(b"two")
    assert first.json() == again.json()
    assert (again.headers["Idempotency-Replayed"], other.status_code) == ("true", 409)


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_time_are_one() -> None:
    world = build()
    world.people = members(world.collection)
    answers = []

    def send() -> None:
        try:
            answers.append(launch(world, "k1").json())
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert all(each == answers[0] for each in answers)
    assert trainings() == 2
