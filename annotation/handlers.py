"""The jobs of annotation."""

from typing import Any

from annotation import refreshing, rerouting, rounds, sync
from earmark.jobs.registry import Context, handler


@handler("annotation.open_round")
def open_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return rounds.open_round(context, round_id=round_id)


@handler("annotation.sync")
def sync_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return sync.sync_round(context, round_id=round_id)


@handler("annotation.repair_round")
def repair_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return rounds.repair_round(context, round_id=round_id)


@handler("annotation.reroute")
def reroute_round(context: Context, *, round_id: int) -> dict[str, Any]:
    return rerouting.reroute_round(context, round_id=round_id)


@handler("annotation.refresh_predictions")
def refresh_predictions(context: Context, *, round_id: int) -> dict[str, Any]:
    return refreshing.refresh_round(context, round_id=round_id)
