"""No page asks the database more when there is more in it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from earmark.recognition.run_models import TranscriptionRun
from tests.recognition.world import make_run
from tests.web import factories
from tests.web.factories import World

pytestmark = pytest.mark.django_db

MOST = {
    "collection": 32,
    "desk": 20,
    "desk_type": 9,
    "review": 12,
    "clips": 14,
    "speakers": 8,
    "corpus": 18,
    "gate": 9,
    "gate_preview": 8,
    "recut": 14,
    "recordings": 8,
    "clip": 16,
    "rounds": 8,
    "round": 19,
    "trainings": 8,
    "training": 18,
    "training_log": 7,
    "training_metrics": 14,
    "training_launch": 11,
    "models": 13,
    "model_verdict": 16,
    "automation": 14,
    "model": 16,
    "calibration": 15,
    "progress": 13,
    "progress_confidence": 7,
    "quality": 22,
    "quality_csv": 11,
    "listen": 7,
    "transcriptions": 13,
    "transcription": 10,
    "imports": 9,
    "import": 12,
    "snapshots": 8,
    "jobs": 7,
    "job": 7,
    "people": 7,
    "annotators": 9,
    "routing": 14,
    "incidents": 8,
}
"""Queries a page may take, those of session, person, collection and role included."""


def a_run(world: World) -> TranscriptionRun:
    return make_run(world.collection, world.models[0])


def arguments(name: str, world: World) -> dict[str, Any]:
    return {
        "clip": {"pk": world.clips[0].pk},
        "round": {"number": 2},
        "training": {"pk": world.running.pk},
        "training_metrics": {"pk": world.running.pk},
        "training_log": {"pk": world.running.pk},
        "model": {"pk": world.models[1].pk},
        "model_verdict": {"pk": world.models[0].pk},
        "calibration": {"pk": world.models[1].pk},
        "import": {"pk": factories.an_import(world.collection).pk},
        "job": {"pk": world.failed.pk},
        "transcription": {"pk": (TranscriptionRun.objects.first() or a_run(world)).pk},
    }.get(name, {})


@pytest.fixture
def queries(world: World) -> Callable[..., int]:
    """How many queries a page takes for somebody with every right."""
    client = Client()
    client.force_login(world.people["admin"])

    def count(name: str, of: World, data: dict[str, str] | None = None) -> int:
        url = reverse(f"web:{name}", kwargs={"slug": of.collection.slug, **arguments(name, of)})
        client.get(url, data)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert client.get(url, data).status_code == 200
        return len(asked)

    return count


def test_pages_take_few_queries_and_none_more_when_there_is_more(
    world: World, queries: Callable[..., int]
) -> None:
    factories.grow(world, per_speaker=2, first=3)
    few = {name: queries(name, world) for name in MOST}
    assert {name: taken for name, taken in few.items() if taken > MOST[name]} == {}
    factories.grow(world, per_speaker=12, first=7)
    assert {name: queries(name, world) for name in MOST} == few


@pytest.mark.parametrize("sort", ["newest", "least-sure", "dialect"])
def test_sorting_and_filtering_take_no_query_more(
    world: World, queries: Callable[..., int], sort: str
) -> None:
    sent = {"sort": sort, "low": "0.2", "dialect": "scottish", "state": "heard"}
    assert queries("clips", world, sent) <= MOST["clips"]
