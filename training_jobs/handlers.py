"""What jobs of this app do."""

from typing import Any

from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import test_set
from earmark.jobs.models import Status
from earmark.jobs.registry import Context, Later, handler
from earmark.jobs.running import TRANSIENT, Cancelled, LeaseLost
from earmark.recognition.models import ModelVersion
from training_jobs import comparing, evaluation, services, stopping, training
from training_jobs.models import Comparison, TrainingJob

UNDER_WAY = (Later, LeaseLost, Cancelled, *TRANSIENT)
"""After these a training goes on, or what follows is done elsewhere."""


@handler(stopping.KIND, queue="gpu", cancel=stopping.cancel_job, cancelled=training.called_off)
def train(context: Context, *, training_job_id: int) -> dict[str, Any]:
    """Train, register the model, and ask for its evaluation beside its base's."""
    row = TrainingJob.objects.select_related("collection", "snapshot", "base", "model").get(
        pk=training_job_id
    )
    try:
        model = training.train(row, context)
    except UNDER_WAY:
        raise
    except Exception:
        training.over(row, status=Status.FAILED)
        raise
    training.over(row, status=Status.SUCCEEDED)
    snapshot = test_set(row.collection)
    evaluations = [
        services.request_evaluation(model=each, snapshot=snapshot).pk
        for each in (row.base, model)
        if snapshot and not each.evaluations.filter(snapshot=snapshot).exists()
    ]
    return {"model": model.pk, "evaluation_jobs": evaluations}


@handler("training_jobs.evaluate", queue="gpu")
def evaluate(context: Context, *, model_id: int, snapshot_id: int) -> dict[str, Any]:
    """Score one model on one frozen test set."""
    result = evaluation.evaluate(
        model=ModelVersion.objects.get(pk=model_id),
        snapshot=Snapshot.objects.select_related("collection").get(pk=snapshot_id),
        context=context,
    )
    return {"evaluation": result.pk, "error_rate": result.error_rate, "interval": [result.low, result.high]}


@handler("training_jobs.compare", queue="gpu")
def compare(context: Context, *, comparison_id: int) -> dict[str, Any]:
    """Compare two models on one frozen set."""
    asked = Comparison.objects.select_related("snapshot__collection", "a", "b")
    done = comparing.compare(asked.get(pk=comparison_id), context)
    overall = done.report["overall"]
    return {
        "comparison": done.pk,
        "error_rates": [overall["a"]["error_rate"], overall["b"]["error_rate"]],
        "difference": overall["difference"]["value"],
    }
