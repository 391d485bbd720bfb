"""What trainers report, as rows: each line of `metrics.jsonl` once."""

import math
from pathlib import Path
from typing import Any

from training_jobs.models import TrainingJob, TrainingMetric
from training_jobs.recipe.metrics import Metric
from training_jobs.recipe.prepare import read_metrics


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
                values=_finite(metric.values),
            )
            for metric in metrics
        ],
        batch_size=1000,
        ignore_conflicts=True,
    )
    return metrics[-1] if metrics else None


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with None for what is no number: PostgreSQL knows no NaN in JSON."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
