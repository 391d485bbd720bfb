"""How good a model is on a frozen test set: error rate with its interval, errors by kind, overall and by slice."""

from earmark.datasets.models import Snapshot
from earmark.jobs.registry import Context
from earmark.recognition.models import ModelVersion
from earmark.recognition.transcription import transcribe
from earmark.speech.scoring import bootstrap_interval
from training_jobs.models import Evaluation
from training_jobs.scored import Scored, clips_of, examined, figures, heard_texts, scored, slices

BOOTSTRAP_SEED = 20


def evaluate(*, model: ModelVersion, snapshot: Snapshot, context: Context) -> Evaluation:
    """Let `model` hear the clips of the test set `snapshot` it has not heard, then score them all.

    Raises EarmarkError `evaluation:test-set:empty` or `evaluation:test-set:unheard`.
    """
    transcribe(context, clips=clips_of(snapshot), model=model)
    found = score(model, snapshot)
    counts = [one.counts for one in found]
    low, high = bootstrap_interval(counts, seed=BOOTSTRAP_SEED)
    whole = figures(counts)
    evaluation, _ = Evaluation.objects.update_or_create(
        model=model,
        snapshot=snapshot,
        defaults={
            "error_rate": whole.pop("error_rate"),
            "low": low,
            "high": high,
            "clips": whole.pop("clips"),
            "counts": whole,
            "slices": slices(found),
            "seed": BOOTSTRAP_SEED,
        },
    )
    return evaluation


def score(model: ModelVersion, snapshot: Snapshot) -> list[Scored]:
    """The errors of `model` in each clip of `snapshot`; every clip must have been heard."""
    clips = examined(snapshot)
    return scored(clips, heard_texts(model, snapshot, clips))
