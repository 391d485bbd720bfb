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
from training_jobs import launching
from training_jobs.models import TrainingJob
from training_jobs.recipe.presets import preset
from training_jobs.recipe.recipes import with_overrides
from training_jobs.resources import Resources, refuse_untrainable
from training_jobs.stopping import queue_training


def launch(
    *,
    collection: Collection,
    recipe: str,
    seed: int,
    overrides: dict[str, Any] | None = None,
    snapshot: Snapshot | None = None,
    base: ModelVersion | None = None,
    priority: int = 0,
    resources: Resources | None = None,
    by: User | None = None,
) -> TrainingJob:
    """Freeze what is labelled now (or take `snapshot`) and queue a training from the champion (or `base`).

    Of the trainings that wait, the one with the highest `priority` begins first. Raises EarmarkError
    `training:recipe:*` for an unknown recipe or setting, `training:base:engine` for a model that no recipe trains,
    `training:resources:*`, `training:launcher:*`, before anything is written.
    """
    with_overrides(preset(recipe), dict(overrides or {}))
    model, asked = base or champion(collection), resources or Resources()
    refuse_untrainable(model)
    asked.check()
    launching.launcher()
    with transaction.atomic():
        training = TrainingJob.objects.create(
            collection=collection,
            snapshot=snapshot or take_snapshot(collection=collection, by=by),
            base=model,
            recipe=recipe,
            seed=seed,
            overrides=overrides or {},
            resources=asked.as_dict(),
            priority=priority,
            created_by=by,
        )
        queue_training(training, by=by)
        audit(
            by, "launch training", f"training job {training.pk}", recipe=recipe, seed=seed, base=model.name,
            priority=priority, **asked.as_dict(),
        )  # fmt: skip
    return training


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
