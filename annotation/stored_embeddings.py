"""Embeddings as the database keeps them, read only for the clips a strategy looks at closely."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Exists, OuterRef

from annotation.acquisition.pool import NOTHING_ANSWERED, Answered, Integers, Vectors
from annotation.models import Annotation, RoundClip
from annotation.project import SILENCE, UNINTELLIGIBLE, WRONG_LANGUAGE
from earmark.corpus.models import Collection
from earmark.recognition.models import HypothesisDetails, ModelVersion
from earmark.speech.errors import EarmarkError

MOST_ANSWERED = 4_000
"""Of clips people have answered the newest so many are remembered."""
REFUSING = (SILENCE, UNINTELLIGIBLE, WRONG_LANGUAGE)
"""What people say of a clip that nobody should have been asked."""
LEAST_KEPT = 0.5
"""Share of the embeddings asked for that must be there."""


@dataclass(frozen=True)
class StoredVectors:
    """The embeddings of the hypotheses with these ids, in the order of a pool, of what `model` heard."""

    hypotheses: np.ndarray
    model: ModelVersion

    def __call__(self, index: Integers) -> Vectors:
        """float32 [len(index), D], zeros where there is none.

        Raises EarmarkError `annotation:strategy:no-embeddings`.
        """
        wanted = self.hypotheses[index]
        kept = HypothesisDetails.objects.filter(pk__in=wanted.tolist(), embedding__isnull=False)
        found = dict(kept.values_list("pk", "embedding"))
        if len(found) < LEAST_KEPT * len(wanted):
            raise no_embeddings(self.model, f"{len(wanted) - len(found)} of {len(wanted)} clips")
        return as_vectors(found.get(int(one)) for one in wanted)


def as_vectors(rows: Iterable[bytes | memoryview | None]) -> Vectors:
    """float32 [n, D] of little-endian float16 rows; zeros for None and for what is not as long as most are."""
    read = [None if row is None else np.frombuffer(row, "<f2") for row in rows]
    lengths = Counter(len(row) for row in read if row is not None)
    width = lengths.most_common(1)[0][0] if lengths else 1
    nothing = np.zeros(width, "<f2")
    fitting = [row if row is not None and len(row) == width else nothing for row in read]
    return np.stack(fitting).astype(np.float32) if fitting else np.zeros((0, width), np.float32)


def read_answered(collection: Collection, model: ModelVersion) -> Answered:
    """The clips people answered in rounds of `collection`, as `model` hears them: the newest MOST_ANSWERED."""
    outcomes = (RoundClip.Outcome.LABELLED, RoundClip.Outcome.UNINTELLIGIBLE)
    refusing = Annotation.objects.filter(
        round_clip=OuterRef("pk"), deleted_at=None, quality__overlap=list(REFUSING)
    )
    rows = (
        RoundClip.objects.filter(round__collection=collection, outcome__in=outcomes)
        .annotate(refused=Exists(refusing))
        .order_by("-pk")
        .values_list("clip_id", "refused")[:MOST_ANSWERED]
    )
    said = dict(reversed(list(rows)))
    kept = HypothesisDetails.objects.filter(
        hypothesis__model=model, hypothesis__clip__in=list(said), embedding__isnull=False
    )
    found = dict(kept.values_list("hypothesis__clip_id", "embedding"))
    if not found:
        return NOTHING_ANSWERED
    clips: Sequence[int] = sorted(found)
    return Answered(as_vectors(found[one] for one in clips), np.array([said[one] for one in clips], bool))


def no_embeddings(model: ModelVersion, what: str) -> EarmarkError:
    """The error of a strategy that has nothing to compare clips by."""
    return EarmarkError(
        "annotation:strategy:no-embeddings",
        f"The strategy compares clips by what the encoder made of them; of {what} heard by {model} that is not kept.",
        "Let the champion transcribe them again, or choose the strategy errors_per_second, which needs none.",
    )
