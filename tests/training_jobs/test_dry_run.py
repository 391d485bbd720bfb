"""What a dry run says, and that it writes nothing."""

from pathlib import Path
from typing import Any

import pytest

from earmark.corpus.models import Clip, Reference
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import freeze_test_set, take_snapshot
from earmark.jobs.models import Job
from earmark.recognition.models import ModelVersion
from tests.recognition.world import make_clip, make_collection
from tests.training_jobs.world import FEW_STEPS, a_launch, labelled_collection, with_platform
from training_jobs import disk_space
from training_jobs.dry_run import DryRun, dry_run
from training_jobs.models import TrainingJob, TrainingMetric
from training_jobs.resources import Resources

pytestmark = pytest.mark.django_db


def problems(found: DryRun) -> dict[str, str]:
    return {one.error_id: one.level for one in found.problems}


def look(collection: Any, **changes: Any) -> DryRun:
    return dry_run(collection=collection, **{"recipe": "article", **changes})


def test_it_says_what_would_be_read_and_done(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model, clips=5)
    found = look(collection, overrides={**FEW_STEPS, "mixed_epochs": 3, "relabel_epochs": 1})
    assert {name: side["clips"] for name, side in found.clips.items()} == {
        "labelled": 5,
        "unlabelled": 2,
        "dev": 2,
    }
    assert found.clips["labelled"]["seconds"] == pytest.approx(2.5)
    assert (found.epochs, found.steps, found.labelling_passes) == (5, 10, 3)
    assert found.memory is not None
    assert found.memory["total"] == sum(value for name, value in found.memory.items() if name != "total")
    assert found.disk_needed > 5 * found.memory["weights"]
    assert problems(found) == {"training:data:few-dev": "warning"}
    assert found.is_possible
    assert (found.takes_seconds, found.measured_on) == (None, 0), "nothing here tells how long it takes"
    assert not Snapshot.objects.exists()
    assert not TrainingJob.objects.exists()
    assert not Job.objects.filter(kind="training_jobs.train").exists()


def test_a_recipe_that_weighs_doubts_by_dev_clips_needs_some(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model)
    calibrated = {"pseudo_score": "calibrated"}
    assert problems(look(collection, overrides=calibrated))["training:data:dev-too-few"] == "error"
    collection.clips.filter(references=None).delete()
    assert "training:data:dev-too-few" not in problems(look(collection, overrides=calibrated))


def test_a_frozen_snapshot_is_looked_at_as_it_was(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model)
    frozen = take_snapshot(collection=collection, by=None)
    now = look(collection)
    make_clip(collection, 9, text="nine")
    assert look(collection, snapshot=frozen).clips == now.clips
    assert look(collection).clips["labelled"]["clips"] == 4


def test_all_that_is_wrong_is_told_at_once() -> None:
    collection = make_collection()
    remote = ModelVersion.objects.create(name="far", source="http://far/v1#m", engine="remote")
    found = look(collection, base=remote, resources=Resources(processes=3, precision="int3"))
    told = problems(found)
    assert {name for name, level in told.items() if level == "error"} == {
        "datasets:snapshot:empty", "training:base:engine", "training:resources:devices",
    }  # fmt: skip
    assert told["training:data:no-unlabelled"] == "warning"
    assert found.steps == 0
    assert not found.is_possible


def test_a_voice_of_the_test_set_is_told(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model)
    tested = make_clip(collection, 40, text="four", speaker="eve", split="test")
    freeze_test_set(collection=collection, by=None)
    leaking = make_clip(collection, 41, text="four", speaker="eve")
    assert problems(look(collection))["datasets:snapshot:leak"] == "error"
    Clip.objects.filter(pk=leaking.pk).update(
        speaker=Clip.objects.exclude(speaker=tested.speaker).first().speaker
    )  # type: ignore[union-attr]
    assert "datasets:snapshot:leak" not in problems(look(collection))


def test_missing_audio_and_a_full_disk_are_told(
    one_word_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = labelled_collection(one_word_model)
    clip = collection.clips.first()
    assert clip is not None
    clip.recording.file.delete(save=False)
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 1000)
    told = problems(look(collection))
    assert (told["corpus:audio:missing"], told["training:disk:no-space"]) == ("error", "error")


def test_a_launcher_that_cannot_work_is_told(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model)
    with with_platform(launcher="command", launcher_options={"start": "ssh gpu"}):
        assert problems(look(collection))["training:launcher:template"] == "error"


def test_the_time_is_that_of_earlier_trainings_of_the_family(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model)
    earlier = a_launch(collection, overrides={**FEW_STEPS, "batch_size": 4})
    child = ModelVersion.objects.create(name="child", source=str(one_word_model), parent=earlier.base)
    TrainingJob.objects.filter(pk=earlier.pk).update(model=child)
    lines: list[dict[str, Any]] = [
        {"stage": "load", "step": 0, "time": 100.0},
        {"stage": "pseudo", "step": 0, "time": 110.0, "epoch": 2, "clips": 10},
        {"stage": "pseudo", "step": 0, "time": 120.0, "epoch": 2, "clips": 60},
        {"stage": "final", "step": 100, "time": 180.0, "train_seconds": 50.0},
    ]
    TrainingMetric.objects.bulk_create(
        TrainingMetric(training_job=earlier, position=at, step=line["step"], stage=line["stage"], values=line)
        for at, line in enumerate(lines)
    )
    found = look(collection, base=child, overrides=FEW_STEPS)
    clips, trained, whole = 4 * 2, 100 * 4 / 50, 80 / (50 + 10)
    assert found.measured_on == 1
    assert found.takes_seconds == pytest.approx(whole * clips / trained)
    heard = look(collection, base=child, overrides={**FEW_STEPS, "mixed_epochs": 1})
    assert heard.takes_seconds == pytest.approx(whole * (6 * 2 / trained + 2 / 6.0))
    stranger = ModelVersion.objects.create(name="stranger", source=str(one_word_model))
    assert look(collection, base=stranger).takes_seconds is None


def test_silence_is_neither_labelled_nor_not(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model)
    silent = make_clip(collection, 77, text="hm")
    Reference.objects.filter(clip=silent).update(text="")
    assert {name: side["clips"] for name, side in look(collection).clips.items()} == {
        "labelled": 3, "unlabelled": 2, "dev": 2,
    }  # fmt: skip
