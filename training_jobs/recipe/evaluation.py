"""The dev error rate that decides which weights are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from earmark.speech.batching import length_sorted_batches
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import LoadedModel
from earmark.speech.scoring import count_errors, error_rate, standard_error
from training_jobs.recipe.clip_audio import ClipAudio
from training_jobs.recipe.manifest import ClipEntry


@dataclass(frozen=True)
class DevError:
    """Errors over reference units, pooled over all dev clips, and the standard error of that rate."""

    rate: float
    spread: float


def dev_error(
    loaded: LoadedModel, entries: Sequence[ClipEntry], audio: ClipAudio, *, batch_seconds: float
) -> DevError:
    """What the model gets wrong of `entries` (at least one), in their languages' units."""
    engine = GlmAsrEngine(replace(loaded, aligner=None))
    counts = []
    for batch in length_sorted_batches([entry.seconds for entry in entries], batch_seconds):
        heard = engine.hear([audio(entries[i]) for i in batch])
        counts += [
            count_errors(entries[i].text, h.text, entries[i].language)
            for i, h in zip(batch, heard, strict=True)
        ]
    return DevError(error_rate(counts), standard_error(counts))
