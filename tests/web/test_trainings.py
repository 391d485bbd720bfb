"""Launching a training from its page, and watching, stopping and retrying one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from earmark.jobs.models import Job, Status
from earmark.web.queries.trainings import POINTS
from earmark.web.training_forms import SETTINGS, defaults
from tests.web.factories import World
from training_jobs.launchers.trainer_process import note
from training_jobs.models import Evaluation, TrainingJob, TrainingMetric
from training_jobs.preparing import folder_of

FILLED: dict[str, Any] = {
    "recipe": "article", "seed": 3, "overrides": "", "processes": 1, "precision": "float32", "priority": 0,
}  # fmt: skip
LINES = 50_000


@pytest.fixture
def admin(world: World, signed_in: Callable[..., Client]) -> Client:
    return signed_in(world.people["admin"])


def address(name: str, world: World, **arguments: Any) -> str:
    return reverse(f"web:{name}", kwargs={"slug": world.collection.slug, **arguments})


def failed(world: World) -> TrainingJob:
    one = world.running
    Job.objects.filter(pk=one.job_id).update(
        status=Status.FAILED, error_id="training:disk:no-space", error="Full.", finished_at=timezone.now()
    )
    return one


def test_what_the_form_says_is_what_is_launched(world: World, admin: Client) -> None:
    frozen = world.collection.snapshots.get(purpose="training")
    sent = {
        **FILLED, "snapshot": frozen.pk, "base": world.models[0].pk, "mixed_epochs": 4, "learning_rate": "0.0001",
        "adaptation_method": "lora", "overrides": '{"teacher_decay": 0.99, "adaptation": {"rank": 8}}', "priority": 7,
        "precision": "bfloat16",
    }  # fmt: skip
    answer = admin.post(address("training_launch", world), sent)
    made = TrainingJob.objects.latest("pk")
    assert answer.headers["Location"] == address("training", world, pk=made.pk)
    assert (made.snapshot, made.base, made.priority) == (frozen, world.models[0], 7)
    assert made.overrides == {
        "teacher_decay": 0.99, "mixed_epochs": 4, "learning_rate": 0.0001, "adaptation": {"rank": 8, "method": "lora"},
    }  # fmt: skip
    assert made.resources == {"processes": 1, "precision": "bfloat16"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"overrides": "{"}, "This is not JSON"),
        ({"overrides": '{"nonsense": 1}'}, "training:recipe:unknown-option"),
        ({"pseudo_threshold": 3}, "less than or equal to 1"),
        ({"processes": 99}, "training:resources:devices"),
    ],
)
def test_what_cannot_be_is_said_beside_the_form_and_by_the_dry_run(
    world: World, admin: Client, wrong: dict[str, Any], told: str
) -> None:
    before = TrainingJob.objects.count()
    for name in ("training_launch", "training_dry_run"):
        answer = admin.post(address(name, world), {**FILLED, **wrong})
        assert answer.status_code == 200
        assert told in answer.content.decode()
    assert TrainingJob.objects.count() == before


def test_the_dry_run_shows_clips_steps_and_problems_and_writes_nothing(world: World, admin: Client) -> None:
    page = admin.post(address("training_dry_run", world), FILLED).content.decode()
    assert 'id="verdict"' in page
    assert "corpus:audio:missing" in page, "the world has no audio"
    assert "unknown: no training of such a model has finished here yet" in page
    assert world.collection.snapshots.count() == 2


def test_every_setting_asked_by_name_has_a_default_in_every_recipe() -> None:
    for recipe in defaults().values():
        assert set(recipe) == set(SETTINGS)


def test_stopping_is_offered_gently_first_then_hard(world: World, admin: Client) -> None:
    page, cancel = (address(name, world, pk=world.running.pk) for name in ("training", "training_cancel"))
    assert 'id="stop-hard"' not in admin.get(page).content.decode()
    admin.post(cancel)
    world.running.refresh_from_db()
    assert world.running.stop == "gently"
    assert 'id="stop-hard"' in admin.get(page).content.decode()
    admin.post(cancel, {"hard": "yes"})
    world.running.refresh_from_db()
    assert world.running.stop == "hard"


def test_a_failed_training_is_retried_with_a_reason_that_is_shown(world: World, admin: Client) -> None:
    one = failed(world)
    page = address("training", world, pk=one.pk)
    assert 'id="retry"' in admin.get(page).content.decode()
    admin.post(address("training_retry", world, pk=one.pk), {"reason": ""})
    one.refresh_from_db()
    assert one.history == []
    admin.post(address("training_retry", world, pk=one.pk), {"reason": "200 GB are free now"})
    one.refresh_from_db()
    assert one.job is not None
    assert (one.job.status, one.phase) == (Status.QUEUED, TrainingJob.Phase.WAITING)
    shown = admin.get(page).content.decode()
    assert "200 GB are free now" in shown
    assert "training:disk:no-space" in shown
    assert "next in the line" in shown


def test_the_log_is_shown_as_it_is_written(world: World, admin: Client) -> None:
    folder = folder_of(world.running)
    folder.mkdir(parents=True)
    note(folder, "start 1 <b>by</b> local")
    page = admin.get(address("training_log", world, pk=world.running.pk)).content.decode()
    assert "start 1 &lt;b&gt;by&lt;/b&gt; local" in page


def test_what_became_of_pseudo_labels_is_told(world: World, admin: Client) -> None:
    page = admin.get(address("training", world, pk=world.running.pk)).content.decode()
    assert 'id="passes"' in page
    assert "4.3%" in page
    assert "too unsure 150" in page
    assert 'id="pauses"' in page
    assert "2.31" in page


def test_fifty_thousand_lines_are_thinned_by_the_database(world: World, admin: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO training_jobs_trainingmetric (training_job_id, position, step, stage, values)"
            " SELECT %s, 1000000 + n, n, 'mixed', jsonb_build_object('loss', 1.0 / (1 + n), 'steps_total', %s,"
            " 'learning_rate', 0.001, 'pseudo_loss', 0.5) FROM generate_series(421, %s) n",
            [world.running.pk, LINES, LINES],
        )
    assert TrainingMetric.objects.filter(training_job=world.running).count() > 49_000
    admin.get(address("training_metrics", world, pk=world.running.pk))
    with CaptureQueriesContext(connection) as asked:
        answer = admin.get(address("training_metrics", world, pk=world.running.pk))
    figures = answer.json()
    assert len(figures["losses"]["loss"]) <= POINTS + 1
    assert figures["steps"] == LINES
    assert len(asked) <= 14
    assert len(answer.content) < 100_000


def test_a_model_is_said_to_be_measured_only_while_it_is(world: World, admin: Client) -> None:
    one = TrainingJob.objects.exclude(model=None).latest("pk")
    Job.objects.filter(pk=one.job_id).update(status=Status.SUCCEEDED, finished_at=timezone.now())
    Evaluation.objects.filter(model=one.model).delete()
    page = address("training", world, pk=one.pk)
    said, live = "is being measured on the test set", 'hx-trigger="every 2s"'
    alone = admin.get(page).content.decode()
    assert (said in alone, live in alone, 'id="unmeasured"' in alone) == (False, False, True)
    Job.objects.create(
        kind="training_jobs.evaluate", scope=world.collection.scope, arguments={"model_id": one.model_id}
    )
    measured = admin.get(page).content.decode()
    assert (said in measured, live in measured, 'id="unmeasured"' in measured) == (True, True, False)
