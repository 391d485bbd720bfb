"""One training, from snapshot to registered model. Killed anywhere, it goes on from where it was."""

import hashlib
import shutil
import time
from importlib.metadata import version
from pathlib import Path

from django.conf import settings

from earmark.jobs.registry import Context
from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import register_model
from training_jobs.child import EXIT_INTERRUPTED, Trainer
from training_jobs.models import TrainingJob, TrainingMetric
from training_jobs.preparing import prepare
from training_jobs.recipe.metrics import Metric
from training_jobs.recipe.prepare import read_metrics

WATCH_SECONDS = 1.0


def train(training: TrainingJob, context: Context) -> ModelVersion:
    """Prepare the folder, run the trainer in a child process, keep its figures, register its model."""
    folder = prepare(training, context)
    if not (folder / "model").is_dir():
        _watch(training, folder, context)
    copy_metrics(training, folder)
    model = register(training, folder / "model")
    TrainingJob.objects.filter(pk=training.pk).update(model=model)
    return model


def _watch(training: TrainingJob, folder: Path, context: Context) -> None:
    with Trainer(folder) as trainer:
        while (code := trainer.poll()) is None:
            newest = copy_metrics(training, folder)
            if newest:
                context.progress(newest.values["step"], newest.values["steps_total"], newest.values["stage"])
            context.check()
            time.sleep(WATCH_SECONDS)
    if code == EXIT_INTERRUPTED:
        raise ConnectionError("the trainer was interrupted; it goes on from its checkpoint")
    if code != 0:
        raise trainer.error(code)


def copy_metrics(training: TrainingJob, folder: Path) -> Metric | None:
    """Bring new lines of `metrics.jsonl` into the database, each once; returns the newest."""
    last = training.metrics.order_by("-position").first()
    metrics, _ = read_metrics(folder, last.position if last else 0)
    TrainingMetric.objects.bulk_create(
        [
            TrainingMetric(
                training_job=training,
                position=metric.position,
                step=metric.values["step"],
                stage=metric.values["stage"],
                values=metric.values,
            )
            for metric in metrics
        ],
        ignore_conflicts=True,
    )
    return metrics[-1] if metrics else None


def register(training: TrainingJob, made: Path) -> ModelVersion:
    """Keep the model folder under the hash of its weights and register it with its lineage."""
    name = f"{training.collection.slug}-{training.pk}-{_digest(made)[:12]}"
    kept = settings.EARMARK.var / "models" / name
    if not kept.exists():
        part = kept.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(made, part)
        part.rename(kept)
    return register_model(
        name=name,
        source=str(kept),
        parent=training.base,
        lineage={
            "snapshot": training.snapshot.digest,
            "recipe": training.recipe,
            "settings": training.overrides,
            "seed": training.seed,
            "code": version("earmark"),
            "training_job": training.pk,
        },
    )


def _digest(folder: Path) -> str:
    """SHA-256 over the weight files in the order of their names."""
    hashes = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            hashes.update(hashlib.file_digest(file, "sha256").digest())
    return hashes.hexdigest()
