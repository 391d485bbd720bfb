"""Keep the model a training made: a folder that never changes, its card, its lineage, its first calibration."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import translation

from earmark.recognition.calibrating import keep_fitted
from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import register_model
from earmark.speech.errors import EarmarkError
from earmark.speech.model_manifest import describe, read_manifest
from training_jobs.lineage import lineage_of
from training_jobs.model_card import Card, card_text
from training_jobs.models import TrainingJob
from training_jobs.recipe.job_folder import JobFolder

CARD = "README.md"


def register(training: TrainingJob, made: Path) -> ModelVersion:
    """Keep the model folder under the hash of its weights and register it with its lineage and calibration.

    Killed anywhere it does the rest when it is called again. Raises EarmarkError `training:calibration:unreadable`,
    and what `lineage_of`, `describe` and `keep_fitted` raise.
    """
    name = f"{training.collection.slug}-{training.pk}-{_digest(made)[:12]}"
    kept = settings.EARMARK.var / "models" / name
    folder = JobFolder(made.parent)
    lineage, fitted = lineage_of(training, folder), _fitted(folder.calibration)
    if not kept.exists():
        part = kept.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(made, part)
        told = {"clips": fitted["clips"], "on": "dev", "parameters": fitted["parameters"]} if fitted else None
        describe(part, lineage=lineage, calibration=told)
        _write_card(name, training, lineage, part)
        part.rename(kept)
    model = register_model(
        name=name,
        source=str(kept),
        parent=training.base,
        lineage={**lineage, "code": lineage["versions"]["earmark"]},
    )
    if fitted:
        keep_fitted(collection=training.collection, model=model, fitted=fitted, by=training.created_by)
    return model


def _write_card(name: str, training: TrainingJob, lineage: dict[str, Any], folder: Path) -> None:
    """The card as it is known now; the one on the site tells what was measured since."""
    with translation.override("en"):
        card = Card(name=name, engine=training.base.engine, lineage=lineage, manifest=read_manifest(folder))
        (folder / CARD).write_text(card_text(card), encoding="utf-8")


def _fitted(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: found[name] for name in ("parameters", "report", "clips")}
    except (ValueError, KeyError, TypeError) as error:
        raise EarmarkError(
            "training:calibration:unreadable",
            f"{path} is no calibration: {error!r}.",
            "Delete the file, then retry the training: its model is registered without one.",
        ) from error


def _digest(folder: Path) -> str:
    """SHA-256 over the weight files in the order of their names."""
    hashes = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            hashes.update(hashlib.file_digest(file, "sha256").digest())
    return hashes.hexdigest()
