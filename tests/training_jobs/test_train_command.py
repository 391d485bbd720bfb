"""`earmark train` and its neighbours, as they are typed."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from earmark.config.cli import earmark
from earmark.config.commands.training import overrides
from earmark.datasets.snapshots import take_snapshot
from earmark.jobs.models import Job, Status
from earmark.recognition.models import ModelVersion
from tests.recognition.world import make_clip
from tests.training_jobs.world import a_launch, labelled_collection
from training_jobs.launchers.trainer_process import note
from training_jobs.models import TrainingJob
from training_jobs.preparing import folder_of

pytestmark = pytest.mark.django_db


def said(*arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(earmark, [*arguments, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout.splitlines()[0]) if done.stdout else done.stderr


def test_a_dry_run_says_what_is_wrong_and_ends_so(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model)
    assert said("train", "-c", collection.slug, "--recipe", "article", "--dry-run")["is_possible"]
    found = said(
        "train", "-c", collection.slug, "--recipe", "article", "--dry-run", "--processes", "9", code=1
    )
    assert "training:resources:devices" in {one["error_id"] for one in found["problems"]}
    plain = CliRunner().invoke(earmark, ["train", "-c", collection.slug, "--recipe", "article", "--dry-run"])
    assert "labelled" in plain.output
    assert "takes       unknown" in plain.output
    assert not TrainingJob.objects.exists()


def test_a_training_is_launched_as_typed(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model)
    frozen = take_snapshot(collection=collection, by=None)
    make_clip(collection, 9, text="nine")
    base = ModelVersion.objects.create(name="older", source=str(one_word_model))
    told = said(
        "train", "-c", collection.slug, "--snapshot", frozen.digest[:8], "--base", "older", "--priority", "4",
        "--precision", "bfloat16", "--set", "mixed_epochs=2", "--set", "augmentation.speed=0", "--no-wait",
    )  # fmt: skip
    made = TrainingJob.objects.get(pk=told["training_job"])
    assert (made.snapshot, made.base, made.priority) == (frozen, base, 4)
    assert made.overrides == {"mixed_epochs": 2, "augmentation": {"speed": 0}}
    assert made.resources == {"processes": 1, "precision": "bfloat16"}
    assert [one["training_job"] for one in said("trainings", "-c", collection.slug)["trainings"]] == [made.pk]


def test_one_is_cancelled_retried_and_its_log_read() -> None:
    made = a_launch(labelled_collection())
    assert said("cancel-training", str(made.pk))["status"] == "cancelled"
    assert said("cancel-training", str(made.pk), code=1).startswith("training:job:finished")
    assert said("retry-training", str(made.pk), "--reason", "why not", "--no-wait")["status"] == "queued"
    assert Job.objects.filter(kind="training_jobs.train", status=Status.QUEUED).count() == 1
    folder_of(made).mkdir(parents=True)
    note(folder_of(made), "start 1")
    assert said("training-log", str(made.pk))["lines"][0].endswith("earmark: start 1")
    assert said("training-log", "987654", code=1).startswith("training:job:missing")


def test_a_pair_without_a_value_is_wrong_use() -> None:
    with pytest.raises(click.BadParameter):
        overrides(("mixed_epochs",))


@pytest.mark.parametrize("wrong", [("--seed", "-1"), ("--seed", str(2**31)), ("--priority", "9999")])
def test_a_number_that_no_row_can_hold_is_wrong_use(wrong: tuple[str, str]) -> None:
    done = CliRunner().invoke(earmark, ["train", *wrong])
    assert done.exit_code == 2
    assert wrong[0] in done.output
