"""What a round may ask: the eligible clips of a collection, read into arrays."""

from collections.abc import Collection as Some
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db.models import Count, Exists, F, FloatField, OuterRef, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Length

from annotation.acquisition import UNKNOWN_SPEAKER, Pool
from annotation.models import RoundClip
from annotation.stored_embeddings import StoredVectors, no_embeddings, read_answered
from earmark.corpus.models import Clip, Collection, Reference, Split
from earmark.corpus.queries import usable
from earmark.recognition.models import Alias, Hypothesis, ModelVersion
from earmark.recognition.registry import holder

SKIPS_ALLOWED = 2
"""A clip skipped in this many rounds is not asked again."""
CHUNK = 20_000
FIELDS = (
    "clip_id",
    "id",
    "clip__seconds",
    "trust",
    "characters",
    "clip__language",
    "clip__speaker_id",
    "flags",
)
FEATURES = ("mean_entropy", "min_word_logprob")
"""Of a hypothesis, for strategies that read features."""


@dataclass(frozen=True)
class Eligible:
    """A pool with the rows behind it: `clips` and `hypotheses` are ids, in the pool's order."""

    clips: np.ndarray
    hypotheses: np.ndarray
    pool: Pool


def eligible_hypotheses(collection: Collection, model: ModelVersion) -> QuerySet[Hypothesis]:
    """What `model` heard in the clips that may be asked.

    Usable clips of the training side without a reference that are heard and with no annotator, or were skipped
    in fewer than SKIPS_ALLOWED rounds.
    """
    labelled = Exists(Reference.objects.filter(clip=OuterRef("clip_id"), is_current=True))
    given_up = (
        RoundClip.objects.filter(round__collection=collection, outcome=RoundClip.Outcome.SKIPPED)
        .values("clip_id")
        .annotate(skips=Count("id"))
        .filter(skips__gte=SKIPS_ALLOWED)
        .values("clip_id")
    )
    waiting = Q(clip__state=Clip.State.HEARD) | (Q(clip__state=Clip.State.SKIPPED) & ~Q(clip_id__in=given_up))
    return Hypothesis.objects.filter(
        usable("clip__"),
        waiting,
        ~labelled,
        model=model,
        clip__collection=collection,
        clip__split=Split.TRAIN,
    )


def check_readable(collection: Collection, model: ModelVersion, reads: Some[str]) -> None:
    """Raises EarmarkError `annotation:strategy:no-embeddings` where they are read and no eligible clip has one."""
    kept = eligible_hypotheses(collection, model).filter(details__embedding__isnull=False)
    if "embeddings" in reads and not kept.exists():
        raise no_embeddings(model, "all clips")


def read_pool(collection: Collection, model: ModelVersion, reads: Some[str] = ()) -> Eligible:
    """Everything `collection` may be asked about, with what `model` heard, ordered by clip.

    With "features" among `reads` those of FEATURES, too. With "embeddings" the clips people answered before; those of
    the pool are read when a strategy asks for them, and only of the clips it asks for.
    """
    features = FEATURES if "features" in reads else ()
    columns = Columns(features)
    trust = _trust(is_champion=holder(collection, Alias.Name.CHAMPION) == model)
    for row in _rows(eligible_hypotheses(collection, model), trust, features):
        columns.add(*row)
    found = columns.eligible()
    if "embeddings" not in reads:
        return found
    pool = replace(
        found.pool,
        embeddings=StoredVectors(found.hypotheses, model),
        answered=read_answered(collection, model),
    )
    return replace(found, pool=pool)


def _rows(
    hypotheses: QuerySet[Hypothesis], trust: Combinable, features: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Streamed, in the order of clip ids: a million rows are not held twice."""
    known = hypotheses.annotate(
        characters=Length("text"),
        trust=trust,
        **{f"of_{name}": Cast(KeyTextTransform(name, "features"), FloatField()) for name in features},
    )
    rows = known.order_by("clip_id").values_list(*FIELDS, *(f"of_{name}" for name in features))
    return rows.iterator(chunk_size=CHUNK)


def _trust(*, is_champion: bool) -> Combinable:
    """One minus the error rate to expect of a clip: calibrated where it is known, else the model's own confidence.

    The expected error rate of a clip is that of its collection's champion; another model's is not known.
    """
    own = F("confidence")
    return (
        Coalesce(1.0 - F("clip__expected_error_rate"), own, output_field=FloatField()) if is_champion else own
    )


class Columns:
    """Rows turned into columns, names into codes."""

    def __init__(self, features: Sequence[str] = ()) -> None:
        self._features: dict[str, list[float | None]] = {name: [] for name in features}
        self._clips: list[int] = []
        self._hypotheses: list[int] = []
        self._seconds: list[float] = []
        self._confidence: list[float] = []
        self._characters: list[int] = []
        self._language: list[int] = []
        self._speaker: list[int] = []
        self._languages: dict[str, int] = {}
        self._speakers: dict[int | None, int] = {None: UNKNOWN_SPEAKER}
        self._flagged: dict[str, list[int]] = {}

    def add(
        self,
        clip: int,
        hypothesis: int,
        seconds: float,
        confidence: float,
        characters: int,
        language: str,
        speaker: int | None,
        flags: list[str],
        *features: float | None,
    ) -> None:
        """Add one row."""
        for column, value in zip(self._features.values(), features, strict=True):
            column.append(value)
        for flag in flags:
            self._flagged.setdefault(flag, []).append(len(self._clips))
        self._clips.append(clip)
        self._hypotheses.append(hypothesis)
        self._seconds.append(seconds)
        self._confidence.append(confidence)
        self._characters.append(characters)
        self._language.append(self._languages.setdefault(language, len(self._languages)))
        self._speaker.append(self._speakers.setdefault(speaker, len(self._speakers) - 1))

    def eligible(self) -> Eligible:
        """The columns as arrays."""
        flags = {}
        for name, positions in self._flagged.items():
            flags[name] = np.zeros(len(self._clips), dtype=bool)
            flags[name][positions] = True
        pool = Pool(
            seconds=np.array(self._seconds, dtype=np.float64),
            confidence=np.array(self._confidence, dtype=np.float64),
            characters=np.array(self._characters, dtype=np.int64),
            language=np.array(self._language, dtype=np.int64),
            speaker=np.array(self._speaker, dtype=np.int64),
            flags=flags,
            features={name: np.array(column, dtype=np.float64) for name, column in self._features.items()},
        )
        return Eligible(
            clips=np.array(self._clips, dtype=np.int64),
            hypotheses=np.array(self._hypotheses, dtype=np.int64),
            pool=pool,
        )
