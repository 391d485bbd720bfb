"""What a transcript's confidence means: the probability that it is right, and the error rate to expect of it.

A calibrator is fitted on clips drawn at random whose true text people told (`calibration_fit`) and is kept as plain
JSON. Applying it needs numpy alone and treats a hundred thousand clips at once.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from earmark.speech.errors import EarmarkError
from earmark.speech.probability_maps import Columns, ProbabilityMap, as_json, from_json
from earmark.speech.word_doubts import WordDoubt

VERSION = 1
"""Of the parameters' form and of the meaning of `COLUMNS`."""

_LEAST = 1e-4


@dataclass(frozen=True)
class Assessed:
    """What is known of a transcript before anybody checked it: `prior`, `features` and `flags` of its `Confidence`."""

    prior: float
    features: Mapping[str, float | None]
    flags: Sequence[str]


Column = Callable[[Assessed], float]


def _raw(name: str) -> Column:
    return lambda one: _known(one.features.get(name))


def _doubt(name: str, *, sign: int = 1) -> Column:
    """The logarithm of how far from certain: certainty is 0, and it is ratios of doubt that matter."""
    return lambda one: (
        math.log(max(_LEAST, value))
        if (value := sign * _known(one.features.get(name))) == value
        else math.nan
    )


def _known(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _log_odds(probability: float) -> float:
    kept = min(1 - _LEAST, max(_LEAST, probability))
    return math.log(kept / (1 - kept))


COLUMNS: Mapping[str, Column] = {
    "prior": lambda one: _log_odds(one.prior),
    "mean_doubt": _doubt("mean_logprob", sign=-1),
    "total_doubt": _doubt("total_logprob", sign=-1),
    "weakest_token": _doubt("min_logprob", sign=-1),
    "weakest_word": _doubt("min_word_logprob", sign=-1),
    "mean_entropy": _doubt("mean_entropy"),
    "max_entropy": _doubt("max_entropy"),
    "low_probability_share": _raw("low_probability_share"),
    "fullness": _raw("fullness"),
    "compression_ratio": _raw("compression_ratio"),
    "voice_for_text": _raw("voice_for_text"),
    "alignment": _raw("alignment"),
    "worst_word": _raw("worst_word"),
    "longest_pause": _raw("longest_pause"),
    "disagreement": _raw("disagreement"),
    "is_flagged": lambda one: float(bool(one.flags)),
    "is_empty": lambda one: float("empty" in one.flags),
}
"""What a calibrator may work from, each from what is known of one clip; NaN where that does not tell."""

WORD_COLUMNS = ("doubt", "entropy", "clip")


@dataclass(frozen=True)
class Calibrator:
    """`right`: the probability that a clip's text is right; `rate`: its expected error rate, at most 1 counted;
    `word`: the probability that a word is right, None where no word was ever checked.
    """

    right: ProbabilityMap
    rate: ProbabilityMap
    word: ProbabilityMap | None = None

    def assess(self, clips: Sequence[Assessed]) -> tuple[np.ndarray, np.ndarray]:
        """Probability of being right and expected error rate of each clip: float64 [n] twice, in 0..1.

        A clip that is right has no errors, so no more can be expected than the probability of being wrong.
        """
        if not clips:
            return np.zeros(0), np.zeros(0)
        columns = columns_of(clips)
        right = self.right(columns)
        return right, np.minimum(self.rate(columns), 1 - right)

    def words(self, words: Sequence[WordDoubt], right: float) -> np.ndarray | None:
        """The probability that each word of a clip is right, float64 [n]; `right`: that of the whole clip."""
        if self.word is None or not words:
            return None
        return self.word(word_columns(words, [right] * len(words)))

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        return {
            "version": VERSION,
            "right": as_json(self.right),
            "rate": as_json(self.rate),
            "word": self.word and as_json(self.word),
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """The calibrator written by `as_json`.

        Raises EarmarkError `speech:calibration:version`, `:features`, `:unreadable`.
        """
        if given.get("version") != VERSION:
            raise EarmarkError(
                "speech:calibration:version",
                f"The calibration is of version {given.get('version')!r}; this is version {VERSION}.",
                "Calibrate again.",
            )
        known = tuple(COLUMNS)
        word = given.get("word")
        return cls(
            from_json(given.get("right") or {}, known),
            from_json(given.get("rate") or {}, known),
            from_json(word, WORD_COLUMNS) if word else None,
        )


def columns_of(clips: Sequence[Assessed]) -> dict[str, np.ndarray]:
    """Every column, float64 [n] each."""
    return {name: np.array([column(one) for one in clips], np.float64) for name, column in COLUMNS.items()}


def word_columns(words: Sequence[WordDoubt], clips: Sequence[float]) -> Columns:
    """`WORD_COLUMNS` of words; `clips`: the probability of being right of the clip of each."""
    return {
        "doubt": np.log(np.maximum(_LEAST, [-word.logprob for word in words])),
        "entropy": np.log(np.maximum(_LEAST, [word.entropy for word in words])),
        "clip": np.array([_log_odds(one) for one in clips]),
    }
