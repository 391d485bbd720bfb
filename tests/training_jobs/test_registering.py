"""What a training made is kept with where it comes from, what its confidence means, and a card that says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from annotation.auditing import calibrate_if_due
from earmark.datasets.models import Snapshot
from earmark.jobs.models import Job
from earmark.recognition.models import Calibration, ModelVersion
from earmark.recognition.registry import set_alias
from earmark.speech.errors import EarmarkError
from earmark.speech.model_manifest import read_manifest
from tests.recognition.world import make_collection
from tests.web.factories import a_calibration
from training_jobs import registering
from training_jobs.model_card import card_of, card_text
from training_jobs.models import Evaluation, TrainingJob
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.prepare import write_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def training() -> TrainingJob:
    """A training that has ended: two labelled clips, a recipe with one setting changed."""
    collection = make_collection("calls")
    snapshot = Snapshot.objects.create(
        collection=collection, purpose="training", digest="5a" * 32,
        counts={"clips": 40, "seconds": 120.0, "labelled_clips": 2, "labelled_seconds": 6.0, "splits": {}},
    )  # fmt: skip
    base = ModelVersion.objects.create(name="base", source="/b", lineage={"content": "c0ffee"})
    return TrainingJob.objects.create(
        collection=collection, snapshot=snapshot, base=base, recipe="article", seed=3,
        overrides={"learning_rate": 1e-3},
    )  # fmt: skip


@pytest.fixture
def made(training: TrainingJob, tmp_path: Path) -> Path:
    """Its job folder's `model/`, made of empty weights."""
    entries = [ClipEntry(id=str(n), audio=f"audio/{n}.flac", seconds=3.0, text="one") for n in range(2)]
    write_job(
        tmp_path, base_model="/b", labelled=entries, unlabelled=[], dev=[], recipe="article", seed=3,
        overrides=training.overrides,
    )  # fmt: skip
    lines = [
        {"stage": "mixed", "step": 8, "epoch": 2, "steps_total": 9, "loss": 0.4},
        {"stage": "final", "step": 9, "epoch": 2, "steps_total": 9, "best_error_rate": 0.125, "pauses": 1},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "glmasr"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "earmark.json").write_text('{"window": "trimmed", "files": {}}')
    return folder


def fitted(training: TrainingJob, made: Path) -> dict[str, Any]:
    """Put beside the model what a trainer fits on dev clips."""
    row = a_calibration(training.collection, training.base)
    told = json.dumps({"parameters": row.parameters, "report": row.report, "clips": row.clips})
    row.delete()
    (made.parent / "calibration.json").write_text(told)
    return json.loads(told)


def test_the_folder_says_where_its_model_comes_from(training: TrainingJob, made: Path) -> None:
    model = registering.register(training, made)
    manifest = read_manifest(Path(model.source))
    lineage = manifest.lineage
    assert manifest.window == "trimmed"
    assert (lineage["parent"], lineage["parent_content"]) == ("base", "c0ffee")
    assert (lineage["snapshot"], lineage["seed"], lineage["recipe"]) == ("5a" * 32, 3, "article")
    assert lineage["options"]["learning_rate"] == 1e-3
    assert lineage["options"]["adaptation"]["method"] == "full"
    assert lineage["metrics"] == {"steps": 9, "best_error_rate": 0.125, "pauses": 1}
    assert set(lineage["versions"]) == {"earmark", "torch", "transformers", "python"}
    assert manifest.calibration == {}
    assert model.lineage["options"] == lineage["options"]
    assert model.lineage["snapshot"] == lineage["snapshot"]
    assert registering.register(training, made) == model, "killed before the end, it is registered once"
    card = (Path(model.source) / "README.md").read_text()
    for said in (
        "pipeline_tag: automatic-speech-recognition",
        "12.5%",
        "`adaptation.rank`",
        "2 labelled clips (0.1 min)",
    ):
        assert said in card
    assert not Calibration.objects.exists()


def test_what_dev_clips_told_of_its_confidence_holds_until_people_have_audited(
    training: TrainingJob, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = fitted(training, made)
    model = registering.register(training, made)
    assert registering.register(training, made) == model
    row = Calibration.objects.get()
    assert (row.model, row.clips, row.is_audited) == (model, told["clips"], False)
    assert row.report["fitted_on"] == "dev"
    kept = read_manifest(Path(model.source)).calibration
    assert (kept["clips"], kept["on"], kept["parameters"]) == (told["clips"], "dev", told["parameters"])
    set_alias(collection=training.collection, name="champion", model=model, by=None)
    monkeypatch.setattr("annotation.auditing.heard_with_reference", lambda *_: Counted(20))
    monkeypatch.setattr("earmark.recognition.calibrating.heard_with_reference", lambda *_: Counted(20))
    assert calibrate_if_due(training.collection) is not None, "20 audited clips outweigh 120 of the dev side"


class Counted:
    """So many rows."""

    def __init__(self, number: int) -> None:
        self.number = number

    def count(self) -> int:
        return self.number


def test_the_champions_clips_are_shown_anew_when_its_calibration_comes(
    training: TrainingJob, made: Path
) -> None:
    model = registering.register(training, made)
    set_alias(collection=training.collection, name="champion", model=model, by=None)
    Job.objects.all().delete()
    fitted(training, made)
    registering.register(training, made)
    assert Job.objects.filter(kind="champion.follow").count() == 1


@pytest.mark.parametrize("text", ["{", '{"parameters": {}}', "[]"])
def test_a_calibration_that_cannot_be_read_is_said(training: TrainingJob, made: Path, text: str) -> None:
    (made.parent / "calibration.json").write_text(text)
    with pytest.raises(EarmarkError) as told:
        registering.register(training, made)
    assert told.value.error_id == "training:calibration:unreadable"


def test_the_card_tells_what_was_measured_and_where_it_is_weak(training: TrainingJob, made: Path) -> None:
    model = registering.register(training, made)
    evaluation = Evaluation(
        model=model, snapshot=training.snapshot, error_rate=0.1, low=0.08, high=0.12, clips=400, seed=20,
        slices={
            "language": {"en": {"error_rate": 0.1, "clips": 400}},
            "dialect": {"scottish|x": {"error_rate": 0.3, "clips": 80}, "american": {"error_rate": 0.02, "clips": 320}},
        },
    )  # fmt: skip
    calibration = a_calibration(training.collection, model)
    card = card_text(card_of(model, evaluations=[evaluation], calibration=calibration, verdict="It won."))
    assert 'language: ["en"]' in card
    assert "**10.0% (8.0 to 12.0)** on 400 clips" in card
    assert "- Weak: scottish\\|x (dialect), error rate 30.0% on 80 clips." in card
    assert "audited by people" in card
    assert "It won." in card
    bare = ModelVersion(name="hub_model", engine="whisper", lineage={"content": "ab"})
    told = card_text(card_of(bare, evaluations=[], calibration=None, verdict=""))
    assert "registered as it is" in told
    assert "Not calibrated" in told
