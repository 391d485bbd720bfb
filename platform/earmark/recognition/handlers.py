"""What jobs of this app do."""

from typing import Any

from earmark.corpus.models import Collection
from earmark.jobs.registry import Context, handler
from earmark.recognition.champion_shown import follow_champion
from earmark.recognition.live import KIND, run_listening, stopped
from earmark.recognition.models import ModelVersion
from earmark.recognition.transcription import clips_for, hear_clips


@handler("recognition.transcribe", queue="gpu")
def transcribe(context: Context, *, collection_id: int, model_id: int, only: str) -> dict[str, Any]:
    """Let one model hear those clips of a collection it has not heard."""
    model = ModelVersion.objects.get(pk=model_id)
    clips = clips_for(Collection.objects.get(pk=collection_id), only)
    tally = hear_clips(context, clips=clips, model=model)
    return {
        "model": model.name,
        "heard": tally.heard,
        "seconds": round(tally.total_seconds, 2),
        "failed": tally.failures.total(),
        "failures": dict(tally.failures),
    }


@handler("champion.follow")
def follow(context: Context, *, collection_id: int) -> dict[str, Any]:
    """Show on every clip how sure its collection's champion is of it."""
    return {"changed": follow_champion(Collection.objects.get(pk=collection_id), context)}


@handler(KIND, queue="gpu", is_urgent=True, cancelled=stopped)
def listen(context: Context, *, listening_id: int) -> dict[str, Any]:
    """Hear what somebody waits for."""
    return run_listening(context, listening_id=listening_id)
