"""The jobs of annotation."""

from functools import partial
from typing import Any

from django.utils import timezone

from annotation import checking, measuring, ml_events, refreshing, rerouting, rounds, sync, transcribing
from annotation.label_studio import ProjectGone, patiently
from annotation.ml_models import ConnectedProject
from earmark.jobs.registry import Context, handler


@handler("annotation.open_round")
def open_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return rounds.open_round(context, round_id=round_id)


@handler("annotation.sync")
def sync_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return sync.sync_round(context, round_id=round_id)


@handler("annotation.close_tasks")
def close_tasks(context: Context, *, round_id: int) -> dict[str, Any]:
    return transcribing.close_tasks(context, round_id=round_id)


@handler(checking.KIND, queue="gpu")
def check_slips(context: Context, *, collection_id: int) -> dict[str, Any]:
    return checking.check_slips(context, collection_id=collection_id)


@handler(measuring.KIND)
def measure_quality(context: Context, *, collection_id: int) -> dict[str, Any]:
    return measuring.measure(context, collection_id=collection_id)


@handler(ml_events.KIND)
def sync_connected(context: Context, *, connected_id: int) -> dict[str, Any]:
    """Read what was submitted in somebody's own project."""
    rows = ConnectedProject.objects.select_related("collection", "connected_by")
    row = rows.filter(pk=connected_id).first()
    if row is None:
        return {}
    try:
        return patiently(partial(ml_events.sync_connected, row, context), wait=partial(rounds.pause, context))
    except ProjectGone:
        ConnectedProject.objects.filter(pk=row.pk).update(gone_at=timezone.now())
        return {"gone": True}


@handler("annotation.repair_round")
def repair_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return rounds.repair_round(context, round_id=round_id)


@handler("annotation.reroute")
def reroute_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return rerouting.reroute_round(context, round_id=round_id)


@handler("annotation.refresh_predictions")
def refresh_predictions(context: Context, *, round_id: int) -> dict[str, Any]:
    return refreshing.refresh_round(context, round_id=round_id)
