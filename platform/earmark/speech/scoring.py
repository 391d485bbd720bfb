"""Error rates and how sure we may be of them.

Counts come from jiwer's alignment over our own units; rates are pooled (total errors over total units), and
intervals come from resampling whole clips (Bisani and Ney 2004).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np

from earmark.speech.errors import EarmarkError
from earmark.speech.resampling import ratio, resampled_sums
from earmark.speech.text import PLAIN, Normalisation, units


@dataclass(frozen=True)
class ErrorCounts:
    """Edits that turn the reference into the hypothesis, and the reference's length, in units."""

    substitutions: int
    insertions: int
    deletions: int
    reference_units: int

    @property
    def errors(self) -> int:
        """All edits."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per reference unit. With an empty reference: 0 for no errors, else 1 per inserted unit."""
        return self.errors / max(1, self.reference_units)

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.reference_units + other.reference_units,
        )


@dataclass(frozen=True)
class Difference:
    """Error rate of B minus that of A over the same clips, with its interval and the share of resamples below 0."""

    value: float
    low: float
    high: float
    share_better: float


NO_COUNTS = ErrorCounts(0, 0, 0, 0)


def count_errors(
    reference: str, hypothesis: str, language: str, options: Normalisation = PLAIN
) -> ErrorCounts:
    """Edits between two texts in the units of `language`, once both are normalised by `options`."""
    expected, heard = units(reference, language, options), units(hypothesis, language, options)
    if not expected or not heard:
        return ErrorCounts(0, len(heard), len(expected), len(expected))
    # jiwer splits on spaces: our units hold none, so joining them with a space keeps them whole
    found = jiwer.process_words(" ".join(expected), " ".join(heard))
    return ErrorCounts(found.substitutions, found.insertions, found.deletions, len(expected))


def error_rate(counts: Iterable[ErrorCounts]) -> float:
    """Pooled error rate: all errors over all reference units. 0 for nothing to count."""
    return total(counts).rate


def total(counts: Iterable[ErrorCounts]) -> ErrorCounts:
    """All counts together."""
    return sum(counts, NO_COUNTS)


def standard_error(counts: Sequence[ErrorCounts]) -> float:
    """The standard error of the pooled error rate over clips drawn at random; 0 for fewer than two.

    That of a ratio of sums (Cochran, "Sampling Techniques", 1977, eq. 2.46): clips differ in length, and errors come
    together in clips.
    """
    units = sum(count.reference_units for count in counts)
    if len(counts) < 2 or not units:
        return 0.0
    rate = error_rate(counts)
    squares = sum((one.errors - rate * one.reference_units) ** 2 for one in counts)
    return math.sqrt(squares * len(counts) / (len(counts) - 1)) / units


def bootstrap_interval(
    counts: Sequence[ErrorCounts], *, seed: int, resamples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the pooled error rate, clips drawn with replacement.

    Raises EarmarkError `speech:scoring:empty` without clips.
    """
    sums = resampled_sums(_arrays(counts), resamples=resamples, seed=seed)
    low, high = np.quantile(ratio(sums[:, 0], sums[:, 1]), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(
    before: Sequence[ErrorCounts],
    after: Sequence[ErrorCounts],
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> Difference:
    """How much `after` differs from `before` over the same clips in the same order: negative is better.

    The same clips are drawn for both in every resample, so what makes a clip hard cancels out.
    Raises EarmarkError `speech:scoring:empty` without clips, `speech:scoring:unpaired` for unequal lengths.
    """
    if len(before) != len(after):
        raise EarmarkError(
            "speech:scoring:unpaired",
            f"{len(before)} clips before and {len(after)} after are not pairs.",
            "Score both models on the same clips.",
        )
    columns = [*_arrays(after), *_arrays(before)]
    sums = resampled_sums(columns, resamples=resamples, seed=seed)
    gaps = ratio(sums[:, 0], sums[:, 1]) - ratio(sums[:, 2], sums[:, 3])
    low, high = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2])
    value = error_rate(after) - error_rate(before)
    return Difference(value, float(low), float(high), float(np.mean(gaps < 0)))


def _arrays(counts: Sequence[ErrorCounts]) -> tuple[np.ndarray, np.ndarray]:
    if not counts:
        raise EarmarkError(
            "speech:scoring:empty", "There are no clips to score.", "Choose a set with references."
        )
    errors = np.array([count.errors for count in counts])
    return errors, np.array([count.reference_units for count in counts])
