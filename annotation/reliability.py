"""How often each person errs: from clips several people labelled, whose truth nobody knows, and from known answers.

Texts of one clip stand side by side in columns (`consensus.aligned`). In each column somebody is right; who, is a guess
that gets better as one learns who errs how often, and the other way round: expectation maximisation over a model with
one error rate a person (Dawid and Skene 1979, "Maximum likelihood estimation of observer error-rates using the EM
algorithm", with one rate instead of a confusion matrix, as in Demartini et al. 2012, "ZenCrowd"). Rates of people who
did little are drawn towards that of all. Errors that people make together cannot be seen so: known answers show them.
Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from scipy.stats import binomtest

from annotation.agreement import Overlapped
from annotation.consensus import NOTHING, aligned
from earmark.speech.scoring import ErrorCounts, bootstrap_interval, count_errors, total

ALTERNATIVES = 4.0
"""Among how many wrong units an error is spread: the more, the more two people who write the same are believed."""
PRIOR_ERRORS = 1.0
"""Everybody's rate counts for a person like so much work at that rate as brings one error."""
ROUNDS = 60
RESAMPLED_ROUNDS = 12
CLOSE = 1e-6
LEAST, MOST = 0.001, 0.7


@dataclass(frozen=True)
class Known:
    """A person's text of a clip whose true text is known."""

    clip: int
    language: str
    person: str
    text: str
    truth: str


@dataclass(frozen=True)
class KnownScore:
    """How a person did on known answers.

    `error_rate`: pooled over clips, within [low, high] in 95 of 100 resamples of them; `right`: clips without an error,
    a share in [right_low, right_high] by Wilson's interval.
    """

    clips: int
    errors: int
    units: int
    error_rate: float
    low: float
    high: float
    right: int
    right_low: float
    right_high: float


@dataclass(frozen=True)
class Reliability:
    """How often one person errs, per unit of what is said: the rate that all evidence amounts to, with a 95 % interval.

    `clips` and `units`: of overlapped clips, which alone say `overlap_rate`; `known` is None for who met no
    known answer.
    """

    person: str
    error_rate: float
    low: float
    high: float
    clips: int
    units: float
    overlap_rate: float | None
    known: KnownScore | None


def vote(error_rate: float) -> float:
    """How much the word of a person counts who errs that often: the log of the odds that they are right, > 0."""
    rate = min(max(error_rate, LEAST), MOST)
    return log((1 - rate) * ALTERNATIVES / rate)


def reliabilities(
    clips: Sequence[Overlapped], known: Sequence[Known] = (), *, seed: int, resamples: int = 100
) -> list[Reliability]:
    """The reliability of everyone who shares a clip with somebody or met a known answer, by name."""
    shared = [one for one in clips if len(one.texts) > 1]
    scores = known_scores(known, seed=seed)
    votes = _votes(shared, sorted({*scores, *(person for one in shared for person in one.texts)}))
    counts = _Counts(votes, known)
    once, nobody = np.ones(len(shared)), np.zeros((len(votes.people), 2))
    alone = _rates(votes, once, nobody, _start(votes), ROUNDS)
    joint = _rates(votes, once, counts.of(np.arange(len(known))), alone.rates, ROUNDS)
    spread = _resampled(votes, counts, joint.rates, np.random.default_rng([seed, 3]), resamples)
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    return [
        Reliability(
            person=person,
            error_rate=float(joint.rates[row]),
            low=float(min(low[row], joint.rates[row])),
            high=float(max(high[row], joint.rates[row])),
            clips=sum(person in one.texts for one in shared),
            units=float(alone.units[row]),
            overlap_rate=float(alone.rates[row]) if alone.units[row] else None,
            known=scores.get(person),
        )
        for row, person in enumerate(votes.people)
    ]


def known_scores(known: Sequence[Known], *, seed: int) -> dict[str, KnownScore]:
    """Everyone's score on the known answers they met, by name."""
    counts: dict[str, list[ErrorCounts]] = {}
    for one in known:
        counts.setdefault(one.person, []).append(count_errors(one.truth, one.text, one.language))
    return {person: _score(one, seed) for person, one in sorted(counts.items())}


def _score(counts: Sequence[ErrorCounts], seed: int) -> KnownScore:
    pooled = total(counts)
    right = sum(one.errors == 0 for one in counts)
    share = binomtest(right, len(counts)).proportion_ci(method="wilson")
    low, high = bootstrap_interval(counts, seed=seed)
    return KnownScore(
        len(counts),
        pooled.errors,
        pooled.reference_units,
        pooled.rate,
        low,
        high,
        right,
        share.low,
        share.high,
    )


@dataclass(frozen=True)
class _Votes:
    """Who says what where, as arrays. V votes for C candidates in S columns of as many clips as `clips` says.

    `person`, `candidate` [V]; `column`, `is_nothing` [C] of candidates; `clip` [S] of columns.
    """

    people: Sequence[str]
    clips: int
    person: np.ndarray
    candidate: np.ndarray
    column: np.ndarray
    is_nothing: np.ndarray
    clip: np.ndarray


def _votes(clips: Sequence[Overlapped], people: Sequence[str]) -> _Votes:
    index = {person: place for place, person in enumerate(people)}
    votes: list[tuple[int, int]] = []
    candidates: list[tuple[int, bool]] = []
    columns: list[int] = []
    for number, one in enumerate(clips):
        said = list(one.texts.items())
        for column in aligned([text for _, text in said], one.language):
            places = {unit: len(candidates) + place for place, unit in enumerate(dict.fromkeys(column))}
            candidates += [(len(columns), unit == NOTHING) for unit in places]
            votes += [(index[who], places[unit]) for (who, _), unit in zip(said, column, strict=True)]
            columns.append(number)
    person, candidate = np.array(votes, int).reshape(-1, 2).T
    column_of, nothing = np.array(candidates, int).reshape(-1, 2).T
    return _Votes(
        people, len(clips), person, candidate, column_of, nothing.astype(bool), np.array(columns, int)
    )


class _Counts:
    """Errors on known answers, for any choice of them."""

    def __init__(self, votes: _Votes, known: Sequence[Known]) -> None:
        index = {person: place for place, person in enumerate(votes.people)}
        counts = [count_errors(one.truth, one.text, one.language) for one in known]
        self._people = len(votes.people)
        self._who = np.array([index[one.person] for one in known], int)
        self._errors = np.array([one.errors for one in counts], float)
        self._units = np.array([one.reference_units for one in counts], float)

    def __len__(self) -> int:
        return len(self._who)

    def of(self, chosen: np.ndarray) -> np.ndarray:
        """Errors and units [P, 2] of everyone over the known answers whose places are `chosen`."""
        columns = (self._errors[chosen], self._units[chosen])
        return np.stack([np.bincount(self._who[chosen], one, self._people) for one in columns], axis=1)


@dataclass(frozen=True)
class _Rates:
    """Error rates [P] of people, and the units [P] they were read from."""

    rates: np.ndarray
    units: np.ndarray


def _start(votes: _Votes) -> np.ndarray:
    return np.full(len(votes.people), 0.05)


def _rates(votes: _Votes, weights: np.ndarray, known: np.ndarray, start: np.ndarray, rounds: int) -> _Rates:
    """Expectation maximisation from the rates `start` [P].

    `weights` [clips]: how often each clip counts; `known` [P, 2]: errors and units on known answers.
    """
    rates, units = start, known[:, 1]
    weight = weights[votes.clip][votes.column[votes.candidate]]
    for _ in range(rounds):
        right, spoken = _expected(votes, rates)
        wrong = weight * (1 - right[votes.candidate])
        said = weight * spoken[votes.column[votes.candidate]]
        errors = np.bincount(votes.person, wrong, len(rates)) + known[:, 0]
        units = np.bincount(votes.person, said, len(rates)) + known[:, 1]
        everyone = max(LEAST, errors.sum() / max(1.0, units.sum()))
        before, rates = rates, (errors + PRIOR_ERRORS) / (units + PRIOR_ERRORS / everyone)
        rates = np.clip(rates, LEAST, MOST)
        if np.abs(rates - before).max(initial=0.0) < CLOSE:
            break
    return _Rates(rates, units)


def _expected(votes: _Votes, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probability [C] of each candidate, and [S] that anything is said in a column, given everyone's rate."""
    believed = np.log((1 - rates) * ALTERNATIVES / rates)
    score = np.bincount(votes.candidate, believed[votes.person], len(votes.column))
    highest = np.full(len(votes.clip), -np.inf)
    np.maximum.at(highest, votes.column, score)
    odds = np.exp(score - highest[votes.column])
    right = odds / np.bincount(votes.column, odds, len(votes.clip))[votes.column]
    return right, np.bincount(votes.column, right * ~votes.is_nothing, len(votes.clip))


def _resampled(
    votes: _Votes, counts: _Counts, start: np.ndarray, rng: np.random.Generator, resamples: int
) -> np.ndarray:
    """Rates [resamples, P] with the clips, overlapped and known, drawn anew each time."""
    found = np.zeros((resamples, len(start)))
    for row in range(resamples):
        drawn = (
            np.bincount(rng.choice(votes.clips, votes.clips), minlength=votes.clips)
            if votes.clips
            else np.ones(0)
        )
        known = rng.choice(len(counts), len(counts)) if len(counts) else np.zeros(0, int)
        found[row] = _rates(votes, drawn, counts.of(known), start, RESAMPLED_ROUNDS).rates
    return found
