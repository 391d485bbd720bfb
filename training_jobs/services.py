"""Writes: launch a training, ask for an evaluation."""

from typing import Any

from django.db import transaction

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import take_snapshot
from earmark.jobs.models import Job
from earmark.jobs.services import submit
from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import champion
from earmark.speech.errors import EarmarkError
from training_jobs.models import TrainingJob
from training_jobs.recipe.presets import preset
from training_jobs.recipe.recipes import with_overrides

TRAINED_ENGINE = "glm-asr"


def launch(
    *,
    collection: Collection,
    recipe: str,
    seed: int,
    overrides: dict[str, Any] | None = None,
    snapshot: Snapshot | None = None,
    by: User | None = None,
) -> TrainingJob:
    """Freeze what is labelled now (or take `snapshot`) and queue a training from the collection's champion.

    Raises EarmarkError `training:recipe:*` for an unknown recipe or setting, `training:base:engine` for a champion
    that no recipe trains, before anything is written.
    """
    with_overrides(preset(recipe), dict(overrides or {}))
    _refuse_untrainable(champion(collection))
    with transaction.atomic():
        training = TrainingJob.objects.create(
            collection=collection,
            snapshot=snapshot or take_snapshot(collection=collection, by=by),
            base=champion(collection),
            recipe=recipe,
            seed=seed,
            overrides=overrides or {},
            created_by=by,
        )
        training.job = submit(
            "training_jobs.train",
            scope=collection.scope,
            key=f"train:{training.pk}",
            by=by,
            max_attempts=20,
            training_job_id=training.pk,
        )
        training.save(update_fields=["job"])
        audit(by, "launch training", f"training job {training.pk}", recipe=recipe, seed=seed)
    return training


def _refuse_untrainable(base: ModelVersion) -> None:
    if base.engine != TRAINED_ENGINE:
        raise EarmarkError(
            "training:base:engine",
            f"The champion {base.name} is of the engine {base.engine!r}; recipes train {TRAINED_ENGINE!r} alone.",
            f"Make a model of the engine {TRAINED_ENGINE!r} the champion, then launch the training.",
        )


def request_evaluation(*, model: ModelVersion, snapshot: Snapshot, by: User | None = None) -> Job:
    """Queue the hearing and scoring of `snapshot`'s test clips by `model`."""
    return submit(
        "training_jobs.evaluate",
        scope=snapshot.collection.scope,
        key=f"evaluate:{model.pk}:{snapshot.pk}",
        by=by,
        model_id=model.pk,
        snapshot_id=snapshot.pk,
    )
