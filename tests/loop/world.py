"""A collection with a frozen test set, and models that hear it as well as they are told to."""

from collections.abc import Mapping

from earmark.corpus.models import Clip, Collection, Split
from earmark.datasets.models import Snapshot, SnapshotItem
from earmark.recognition.models import Hypothesis, ModelVersion
from tests.recognition.world import make_clip, make_collection, make_model
from training_jobs.models import Evaluation

SPOKEN = "one two three four five six"
DIALECTS = ("scottish", "american")


def make_measured(*, clips: int = 60) -> tuple[Collection, Snapshot]:
    """A collection whose frozen test set has so many clips, half of each dialect."""
    collection = make_collection()
    snapshot = Snapshot.objects.create(
        collection=collection, purpose=Snapshot.Purpose.TEST, digest="7e57" * 16, counts={"clips": clips}
    )
    first = make_clip(collection, 1, split=Split.TEST, speaker="a0", text=SPOKEN, dialect=DIALECTS[0])
    others = Clip.objects.bulk_create(
        Clip(
            collection=collection, recording=first.recording, speaker=first.speaker, start=float(number),
            seconds=0.5, language="en", dialect=DIALECTS[number % 2], split=Split.TEST,
        )
        for number in range(1, clips)
    )  # fmt: skip
    SnapshotItem.objects.bulk_create(
        SnapshotItem(snapshot=snapshot, clip=clip, split=Split.TEST, text=SPOKEN) for clip in [first, *others]
    )
    return collection, snapshot


def measured(snapshot: Snapshot, wrong: Mapping[str, int], *, name: str = "") -> ModelVersion:
    """A model that gets so many words of every clip of a dialect wrong, evaluated."""
    model = make_model(name)
    items = snapshot.items.select_related("clip")
    texts = {number: " ".join(["so"] * number + SPOKEN.split()[number:]) for number in range(7)}
    Hypothesis.objects.bulk_create(
        Hypothesis(clip=item.clip, model=model, text=texts[wrong[item.clip.dialect]], confidence=0.8)
        for item in items
    )
    rate = sum(wrong[item.clip.dialect] for item in items) / (6 * len(items))
    Evaluation.objects.create(
        model=model, snapshot=snapshot, error_rate=rate, low=rate, high=rate, clips=len(items), seed=20,
        slices={"dialect": {}, "language": {}},
    )  # fmt: skip
    return model
