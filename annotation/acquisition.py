"""Which clips are worth a person's time: pure, seeded functions over arrays, quick at a million clips.

A round spends a budget in seconds of audio. An audit share of it is drawn first, uniformly from everything
eligible and blind to confidence, so that calibration and error estimates have a sample without bias. The rest
goes by a strategy: a function named by its dotted path that scores the pool, higher is asked first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from earmark.speech.errors import EarmarkError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

DEFAULT_STRATEGY = "annotation.acquisition.least_confidence"
STRATEGIES = (DEFAULT_STRATEGY, "annotation.acquisition.random")
UNKNOWN_SPEAKER = -1

SPEAKER_SHARES = 2.0
"""A speaker may take this many equal shares of the budget before others are preferred."""
PACE_LIMITS = (0.5, 1.5)
"""How much a slow or fast speaker may count for, against the language's usual pace."""
WORTH = {"silence": 0.1, "empty": 0.5}
"""What a flagged clip's errors count for. Silence teaches nothing; a model that hears nothing in speech is a
model to teach, but the clip is likelier than others to be noise. Loops and cut-off texts are the model's
failures on real speech: they keep their worth."""
UNMEASURABLE = ("empty", "loop", "odd_rate", "truncated")
"""Flags under which the length of the text says nothing about how much is spoken."""


@dataclass(frozen=True)
class Pool:
    """Everything eligible, one entry a clip, all of length n.

    `seconds` > 0; `confidence` in [0, 1], read as one minus the expected error rate; `characters` of the
    hypothesis; `language` codes from 0; `speaker` codes from 0 or UNKNOWN_SPEAKER; `flags` by name.
    """

    seconds: Floats
    confidence: Floats
    characters: Integers
    language: Integers
    speaker: Integers
    flags: Mapping[str, Booleans] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seconds)

    def flagged(self, name: str) -> Booleans:
        """Which clips carry the flag `name`."""
        return self.flags.get(name, np.zeros(len(self), dtype=bool))


@dataclass(frozen=True)
class Picks:
    """What to ask, highest score first: positions in the pool, whether each was drawn for the audit, its score."""

    index: Integers
    is_audit: Booleans
    score: Floats

    def __len__(self) -> int:
        return len(self.index)


Strategy = Callable[[Pool, float, np.random.Generator], Floats]
"""(pool, seconds to spend, generator) -> score of each clip; higher is asked first."""


def choose(pool: Pool, *, strategy: Strategy, budget_seconds: float, audit_share: float, seed: int) -> Picks:
    """Spend `budget_seconds` on clips of `pool`: the audit's share at random, the rest by `strategy`.

    The same arguments choose the same clips; no clip is chosen twice; the sum of seconds never exceeds the
    budget; the audit's clips do not depend on confidence, strategy or flags.
    """
    audit = draw_audit(
        pool.seconds, audit_share * budget_seconds, budget_seconds, np.random.default_rng([seed, 0])
    )
    rng = np.random.default_rng([seed, 1])
    left = budget_seconds - float(pool.seconds[audit].sum())
    scores = strategy(pool, left, rng)
    ranked = np.lexsort((rng.permutation(len(pool)), -scores))
    is_audit = np.zeros(len(pool), dtype=bool)
    is_audit[audit] = True
    ranked_rest = ranked[~is_audit[ranked]]
    chosen = is_audit.copy()
    chosen[ranked_rest[fill(pool.seconds[ranked_rest], left)]] = True
    index = ranked[chosen[ranked]]
    return Picks(index=index, is_audit=is_audit[index], score=scores[index])


def draw_audit(seconds: Floats, share_seconds: float, limit: float, rng: np.random.Generator) -> Integers:
    """Positions of a uniform random sample of about `share_seconds`, never over `limit`.

    Clips are taken in a random order until the share is spent: the last one is kept if at least half of it
    falls inside, so that neither short nor long clips are preferred.
    """
    order = rng.permutation(len(seconds))
    spent = np.cumsum(seconds[order])
    inside = (spent - seconds[order] / 2 <= share_seconds) & (spent <= limit)
    stop = len(order) if inside.all() else int(np.argmin(inside))
    return order[:stop]


def fill(seconds: Floats, budget: float) -> Integers:
    """Positions taken in the given order while they fit into `budget` seconds.

    Clips too long for what is left are passed over, but not far: the search ends at twice the rank of the
    first one that did not fit, so that no clip is asked only because it is short.
    """
    taken: list[Integers] = []
    reach = 2 * int(np.searchsorted(np.cumsum(seconds), budget, side="right")) + 1
    candidates = np.arange(min(reach, len(seconds)))
    while len(candidates := candidates[seconds[candidates] <= budget]):
        spent = np.cumsum(seconds[candidates])
        fitting = max(1, int(np.searchsorted(spent, budget, side="right")))
        taken.append(candidates[:fitting])
        budget -= float(spent[fitting - 1])
        candidates = candidates[fitting:]
    return np.concatenate(taken) if taken else np.arange(0)


def least_confidence(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Floats:
    """Expected errors found per second of listening, no speaker dominating; scores in [-1, 1].

    A clip's expected errors are (1 - confidence) x units spoken. Divided by its seconds and by the usual pace
    of its language this is (1 - confidence) x relative pace, comparable between characters and words. Clips
    flagged as not worth hearing count for less (`WORTH`). What a speaker has beyond `SPEAKER_SHARES` equal
    shares of the budget scores below everything else, in the same order.
    """
    score = (1.0 - pool.confidence) * relative_pace(pool) / PACE_LIMITS[1]
    for flag, worth in WORTH.items():
        score = np.where(pool.flagged(flag), score * worth, score)
    return np.where(beyond_speaker_share(pool, score, budget_seconds), score - 1.0, score)


def random(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Floats:
    """The baseline every strategy is measured against: a uniform score in [0, 1)."""
    return rng.random(len(pool))


def relative_pace(pool: Pool) -> Floats:
    """Characters per second over the median of the clip's language, within PACE_LIMITS.

    1 where the length of the text says nothing (`UNMEASURABLE`).
    """
    measurable = pool.characters > 0
    for flag in UNMEASURABLE:
        measurable &= ~pool.flagged(flag)
    pace = pool.characters / pool.seconds
    relative = np.ones(len(pool))
    for language in np.unique(pool.language[measurable]):
        of_language = measurable & (pool.language == language)
        relative[of_language] = pace[of_language] / np.median(pace[of_language])
    return np.clip(relative, *PACE_LIMITS)


def beyond_speaker_share(pool: Pool, score: Floats, budget_seconds: float) -> Booleans:
    """Which clips a known speaker has beyond their share of the budget, counted from their highest score down."""
    known = np.flatnonzero(pool.speaker != UNKNOWN_SPEAKER)
    beyond = np.zeros(len(pool), dtype=bool)
    if not len(known):
        return beyond
    order = known[np.lexsort((-score[known], pool.speaker[known]))]
    speakers, first = np.unique(pool.speaker[order], return_index=True)
    spent = np.cumsum(pool.seconds[order])
    before = np.repeat(spent[first] - pool.seconds[order][first], np.diff([*first, len(order)]))
    beyond[order] = spent - before > SPEAKER_SHARES * budget_seconds / len(speakers)
    return beyond


def find_strategy(path: str, allowed: Sequence[str] = STRATEGIES) -> Strategy:
    """The strategy at the dotted `path`, one of `allowed`: a path is code, so it is never taken from a request
    alone. Raises EarmarkError `annotation:strategy:unknown`.
    """
    if path not in allowed:
        raise EarmarkError(
            "annotation:strategy:unknown",
            f"{path!r} is no acquisition strategy of this installation.",
            f"Choose one of {', '.join(allowed)}; more are added in the setting ACQUISITION_STRATEGIES.",
        )
    module, _, name = path.rpartition(".")
    try:
        strategy: Strategy = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EarmarkError(
            "annotation:strategy:unknown",
            f"The acquisition strategy {path!r} cannot be imported: {error}.",
            "Correct the setting ACQUISITION_STRATEGIES.",
        ) from error
    return strategy
