"""The jobs of annotation."""

from functools import partial
from typing import Any

from django.utils import timezone

from annotation import ml_events, rerouting, rounds, sync
from annotation.label_studio import ProjectGone, patiently
from annotation.ml_models import ConnectedProject
from earmark.jobs.registry import Context, handler


@handler("annotation.open_round")
def open_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return rounds.open_round(context, round_id=round_id)


@handler("annotation.sync")
def sync_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return sync.sync_round(context, round_id=round_id)


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
