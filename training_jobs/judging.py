"""Two models judged on the clips of a frozen test set, for a promotion."""

from earmark.datasets.models import Snapshot
from earmark.recognition.models import ModelVersion
from earmark.speech.superiority import Pair, Verdict, judge
from training_jobs.scored import examined, heard_texts, scored

SEED = 20


def verdict_on(*, before: ModelVersion, after: ModelVersion, snapshot: Snapshot, seed: int = SEED) -> Verdict:
    """Whether `after` may take the place of `before`, by what both heard in every clip of `snapshot`.

    Raises EarmarkError `evaluation:test-set:empty` or `evaluation:test-set:unheard`.
    """
    clips = examined(snapshot)
    old, new = (scored(clips, heard_texts(model, snapshot, clips)) for model in (before, after))
    pairs = [
        Pair(one.counts, two.counts, clip.traits) for one, two, clip in zip(old, new, clips, strict=True)
    ]
    return judge(pairs, seed=seed)
