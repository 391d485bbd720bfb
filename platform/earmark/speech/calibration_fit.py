"""Learn what a transcript's confidence means from clips whose true text people told.

Few clips are audited, a few hundred at most, so what is learned is small and held back: a ridge-penalised logistic
regression on the features, on the prior alone, or an isotonic regression of the prior (Zadrozny and Elkan, KDD 2002),
or the prior as it is, whichever predicts best on clips it was not fitted on. Targets are smoothed much as in Platt
(1999), so that clips that happen to be told apart perfectly do not make anything certain.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np

from earmark.speech.calibration import (
    COLUMNS,
    WORD_COLUMNS,
    Assessed,
    Calibrator,
    columns_of,
    word_columns,
)
from earmark.speech.calibration_figures import log_losses
from earmark.speech.errors import EarmarkError
from earmark.speech.probability_maps import Columns, IsotonicMap, LogisticMap, ProbabilityMap, standardised
from earmark.speech.scoring import ErrorCounts, count_errors
from earmark.speech.text import units
from earmark.speech.word_doubts import WordDoubt

FEWEST = 20
"""Audited clips below which nothing is fitted: too few to see whether the prior is wrong, let alone how."""
FOLDS = 5
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""How far the features are trusted: the inverse of the ridge penalty."""
_PRIOR_STRENGTH = 10.0
"""That of a regression on the prior alone."""
_PACE = frozenset({"fullness", "compression_ratio"})
_LEAST_KNOWN = 0.1
_FEWEST_KNOWN = 20
_LEAST_SPREAD = 1e-6
_FEWEST_WORDS = 50
_WORD_STRENGTH = 1.0
_STEPS = 1_000
AS_IT_IS = LogisticMap(("prior",), (0.0,), (10.0,), (10.0,), 0.0)


@dataclass(frozen=True)
class Audited:
    """A clip drawn at random with what was assessed of it and the errors people found in its text.

    `words`: what the model thought of each word, and whether the word was right; empty where nobody knows.
    """

    assessed: Assessed
    counts: ErrorCounts
    language: str = ""
    words: tuple[tuple[WordDoubt, bool], ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether the text holds no error at all."""
        return self.counts.errors == 0

    @property
    def rate(self) -> float:
        """The clip's error rate, at most 1."""
        return min(1.0, self.counts.rate)


@dataclass(frozen=True)
class Choice:
    """A way to fit: the columns used, and the inverse ridge penalty of a logistic regression on them; where that is
    None an isotonic regression of the prior, where there are no columns the prior as it is.
    """

    columns: tuple[str, ...]
    strength: float | None


def audited(
    assessed: Assessed,
    *,
    text: str,
    reference: str,
    language: str,
    words: Sequence[WordDoubt] = (),
) -> Audited:
    """The clip, its text held against its reference in the units of `language`."""
    counts = count_errors(reference, text, language)
    return Audited(assessed, counts, language, tuple(zip(words, words_right(words, reference), strict=True)))


def words_right(words: Sequence[WordDoubt], reference: str) -> list[bool]:
    """Which words of a transcript stand in the reference at their place."""
    pieces = [units(word.text, "mixed") for word in words]
    said = [unit for piece in pieces for unit in piece]
    expected = units(reference, "mixed")
    equal = [False] * len(said)
    if said and expected:
        for chunk in jiwer.process_words(" ".join(expected), " ".join(said)).alignments[0]:
            if chunk.type == "equal":
                for place in range(chunk.hyp_start_idx, chunk.hyp_end_idx):
                    equal[place] = True
    found, at = [], 0
    for piece in pieces:
        found.append(all(equal[at : at + len(piece)]))
        at += len(piece)
    return found


def fit(
    clips: Sequence[Audited], rng: np.random.Generator, *, columns: Sequence[str] | None = None
) -> Calibrator:
    """A calibrator learned from `clips`, working from `columns` where given (those of `COLUMNS` that tell otherwise).

    `rng` deals the folds of the choice. Raises EarmarkError `speech:calibration:too_few` below FEWEST clips.
    """
    if len(clips) < FEWEST:
        raise EarmarkError(
            "speech:calibration:too_few",
            f"{len(clips)} audited clips do not show what a confidence means; {FEWEST} are needed.",
            "Have more clips labelled that were drawn at random.",
        )
    known = columns_of([clip.assessed for clip in clips])
    right = np.array([clip.is_right for clip in clips], np.float64)
    choice = _choose(known, right, _choices(known, columns), rng)
    found = _fitted(known, right, choice)
    graded = choice if choice.strength else Choice(("prior",), _PRIOR_STRENGTH)
    rate = _fitted(known, np.array([clip.rate for clip in clips]), graded)
    return Calibrator(found, rate, _fit_words(clips, found(known)))


def folds(count: int, rng: np.random.Generator, parts: int = FOLDS) -> list[np.ndarray]:
    """`parts` disjoint sets of positions below `count`, of equal size, dealt at random."""
    return np.array_split(rng.permutation(count), min(parts, count))


def taken(columns: Columns, index: np.ndarray) -> Columns:
    """Those rows of every column."""
    return {name: values[index] for name, values in columns.items()}


def _choices(known: Columns, wanted: Sequence[str] | None) -> list[Choice]:
    """Simplest first: the first of equals is taken."""
    telling = tuple(name for name in (wanted or COLUMNS) if _tells(known[name]))
    found = []
    if wanted is None and "prior" in telling:
        found = [Choice((), None), Choice(("prior",), None), Choice(("prior",), _PRIOR_STRENGTH)]
    unhurried = tuple(name for name in telling if name not in _PACE)
    for group in dict.fromkeys((unhurried, telling)):
        found += [Choice(group, strength) for strength in STRENGTHS if group]
    return found or [Choice((), 1.0)]


def _tells(values: np.ndarray) -> bool:
    """Whether a column is known of enough clips, and not the same of all."""
    there = values[~np.isnan(values)]
    return len(there) >= max(_FEWEST_KNOWN, _LEAST_KNOWN * len(values)) and float(there.std()) > _LEAST_SPREAD


def _choose(
    known: Columns, target: np.ndarray, choices: Sequence[Choice], rng: np.random.Generator
) -> Choice:
    """The simplest choice that is no worse, on clips it was not fitted on, than the best by a standard error.

    Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3; of the difference clip by clip.
    """
    if len(choices) == 1:
        return choices[0]
    parts = folds(len(target), rng)
    losses = np.array([log_losses(_held_out(known, target, choice, parts), target) for choice in choices])
    worse = losses - losses[int(np.argmin(losses.mean(axis=1)))]
    allowed = worse.mean(axis=1) <= worse.std(axis=1) / np.sqrt(len(target))
    return choices[int(np.argmax(allowed))]


def _held_out(known: Columns, target: np.ndarray, choice: Choice, parts: Sequence[np.ndarray]) -> np.ndarray:
    """What is predicted of each clip by what was fitted on the other parts: float64 [n]."""
    predicted = np.zeros(len(target))
    for part in parts:
        rest = np.setdiff1d(np.arange(len(target)), part)
        predicted[part] = _fitted(taken(known, rest), target[rest], choice)(taken(known, part))
    return predicted


def _fitted(known: Columns, target: np.ndarray, choice: Choice) -> ProbabilityMap:
    """`target` float64 [n] in 0..1; what is no 0 or 1 counts as that share of each."""
    smoothed = _smoothed(target)
    if choice.strength is None and not choice.columns:
        return AS_IT_IS
    if choice.strength is None:
        return _isotonic(known, smoothed, choice.columns[0])
    return _logistic(known, smoothed, choice.columns, choice.strength)


def _smoothed(target: np.ndarray) -> np.ndarray:
    """Not quite certain: one clip more of each kind, spread over all of them."""
    low = 1 / (len(target) + 2)
    return low + (1 - 2 * low) * target


def _isotonic(known: Columns, target: np.ndarray, column: str) -> IsotonicMap:
    from sklearn.isotonic import IsotonicRegression  # here: applying a calibration needs no scikit-learn

    found = IsotonicRegression(out_of_bounds="clip").fit(known[column], target)
    return IsotonicMap(column, tuple(map(float, found.X_thresholds_)), tuple(map(float, found.y_thresholds_)))


def _logistic(known: Columns, target: np.ndarray, columns: Sequence[str], strength: float) -> LogisticMap:
    """Ridge logistic regression on shares: each clip stands once for being right and once for not, weighted."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if not columns:
        mean = float(target.mean())
        return LogisticMap(("prior",), (0.0,), (1.0,), (0.0,), float(np.log(mean / (1 - mean))))
    there = np.column_stack([known[name] for name in columns])
    centre, spread = np.nanmean(there, axis=0), np.nanstd(there, axis=0)
    scale = np.where(spread > _LEAST_SPREAD, spread, 1.0)
    values = standardised(known, columns, centre, scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=strength, max_iter=_STEPS).fit(
            np.concatenate([values, values]),
            np.repeat([1, 0], len(target)),
            sample_weight=np.concatenate([target, 1 - target]),
        )
    middle, spreads, weights = (tuple(map(float, values)) for values in (centre, scale, model.coef_[0]))
    return LogisticMap(tuple(columns), middle, spreads, weights, float(model.intercept_[0]))


def _fit_words(clips: Sequence[Audited], right: np.ndarray) -> ProbabilityMap | None:
    """The probability that a word is right; None unless enough words were checked whose doubts are known."""
    found = [
        (word, sure, is_right)
        for clip, sure in zip(clips, right, strict=True)
        for word, is_right in clip.words
        if not np.isnan(word.logprob)
    ]
    if len(found) < _FEWEST_WORDS:
        return None
    words, clip_right, target = zip(*found, strict=True)
    known = word_columns(words, clip_right)
    telling = tuple(name for name in WORD_COLUMNS if _tells(known[name]))
    if not telling:
        return None
    return _logistic(known, _smoothed(np.array(target, np.float64)), telling, _WORD_STRENGTH)
