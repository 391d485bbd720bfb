"""What a strategy is shown: everything eligible as arrays, one entry a clip."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Vectors = NDArray[np.float32]

UNKNOWN_SPEAKER = -1


class Embeddings(Protocol):
    """Where what the encoder made of clips is read from, only of those that are asked for."""

    def __call__(self, index: Integers) -> Vectors:
        """float32 [len(index), D]: the mean of the encoder's output over each clip; zeros where there is none.

        Raises EarmarkError `annotation:strategy:no-embeddings` where too few of them are kept.
        """
        ...


@dataclass(frozen=True)
class Answered:
    """Clips people have already answered: `vectors` float32 [m, D], and which were `refused`, bool [m].

    Refused: nobody could understand it, nothing was spoken, or another language than those asked for.
    """

    vectors: Vectors
    refused: Booleans

    def __len__(self) -> int:
        return len(self.refused)


NOTHING_ANSWERED = Answered(np.zeros((0, 0), np.float32), np.zeros(0, bool))


@dataclass(frozen=True)
class Pool:
    """Everything eligible, all columns of length n.

    `seconds` > 0; `confidence` in [0, 1], read as one minus the expected error rate; `characters` of the
    hypothesis; `language` codes from 0; `speaker` codes from 0 or UNKNOWN_SPEAKER; `flags` by name. `features` of the
    hypotheses by name, NaN where unknown, for strategies that read "features"; `embeddings` and `answered` for those
    that read "embeddings". `taken`: clips that the round has already, drawn for the audit.
    """

    seconds: Floats
    confidence: Floats
    characters: Integers
    language: Integers
    speaker: Integers
    flags: Mapping[str, Booleans] = field(default_factory=dict)
    features: Mapping[str, Floats] = field(default_factory=dict)
    embeddings: Embeddings | None = None
    answered: Answered = NOTHING_ANSWERED
    taken: Booleans | None = None

    def __len__(self) -> int:
        return len(self.seconds)

    def flagged(self, *names: str) -> Booleans:
        """Which clips carry any of the flags `names`."""
        found = np.zeros(len(self), dtype=bool)
        for name in names:
            if name in self.flags:
                found |= self.flags[name]
        return found

    def feature(self, name: str) -> Floats:
        """The feature `name` of every clip, NaN where it is not known."""
        return self.features.get(name, np.full(len(self), np.nan))

    @cached_property
    def free(self) -> Booleans:
        """Which clips the round may still take."""
        return np.ones(len(self), dtype=bool) if self.taken is None else ~self.taken

    def with_taken(self, index: Integers) -> Self:
        """The same pool, of which the round has the clips at `index`."""
        taken = np.zeros(len(self), dtype=bool)
        taken[index] = True
        return replace(self, taken=taken)

    def vectors(self, index: Integers) -> Vectors:
        """float32 [len(index), D] of clips of a pool that was read with its embeddings."""
        assert self.embeddings is not None, (
            "read without embeddings: the strategy does not say that it reads them"
        )
        return self.embeddings(index)


@dataclass(frozen=True)
class KeptVectors:
    """Embeddings held in memory, or mapped from a file: any float [n, D]."""

    rows: NDArray[np.floating]

    def __call__(self, index: Integers) -> Vectors:
        return self.rows[index].astype(np.float32)
