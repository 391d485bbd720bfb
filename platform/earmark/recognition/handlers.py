"""What jobs of this app do."""

from typing import Any

from earmark.accounts.models import User
from earmark.corpus.models import Collection
from earmark.jobs.registry import Context, handler
from earmark.recognition import calibrating, carrying, registering, runs, shards
from earmark.recognition.champion_shown import follow_champion
from earmark.recognition.live import KIND, run_listening, stopped
from earmark.recognition.models import ModelVersion


@handler(runs.KIND, cancelled=runs.call_off)
def transcribe(context: Context, **_what: Any) -> dict[str, Any]:
    """Plan a transcription run and look after it until every shard has ended."""
    return runs.conduct(context)


@handler(shards.KIND, queue="gpu")
def carry(context: Context, *, on: str) -> dict[str, Any]:
    """Hear shards until none is free."""
    return carrying.carry(context, on=on)


@handler("recognition.calibrate")
def calibrate(
    context: Context, *, collection_id: int, model_id: int, clips: list[int], by_id: int | None
) -> dict[str, Any]:
    """Learn from audited clips what a model's confidence means in a collection."""
    row = calibrating.calibrate(
        context,
        collection=Collection.objects.get(pk=collection_id),
        model=ModelVersion.objects.get(pk=model_id),
        clips=clips,
        by=None if by_id is None else User.objects.filter(pk=by_id).first(),
    )
    return {"calibration": row.pk, "model": row.model.name, "clips": row.clips, **row.report["calibrated"]}


@handler("champion.follow")
def follow(context: Context, *, collection_id: int) -> dict[str, Any]:
    """Show on every clip how sure its collection's champion is of it."""
    return {"changed": follow_champion(Collection.objects.get(pk=collection_id), context)}


@handler(KIND, queue="gpu", is_urgent=True, cancelled=stopped)
def listen(context: Context, *, listening_id: int) -> dict[str, Any]:
    """Hear what somebody waits for."""
    return run_listening(context, listening_id=listening_id)


@handler(registering.KIND, queue="gpu")
def register(context: Context, *, name: str, source: str, engine: str) -> dict[str, Any]:
    """Register a model that the workers see."""
    return registering.register(name=name, source=source, engine=engine)
