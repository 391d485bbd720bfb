"""How many errors a second of a person's listening is expected to find."""

import numpy as np

from annotation.acquisition.choosing import Scores
from annotation.acquisition.pool import UNKNOWN_SPEAKER, Booleans, Floats, Pool

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


def errors_per_second(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Scores:
    """Expected errors found per second of listening, no speaker dominating; scores in [-1, 1].

    What a speaker has beyond `SPEAKER_SHARES` equal shares of the budget scores below everything else, in the same
    order.
    """
    errors = expected_errors(pool)
    score = errors / PACE_LIMITS[1]
    beyond = beyond_speaker_share(pool, score, budget_seconds)
    return Scores(np.where(beyond, score - 1.0, score), {"expected_errors": errors})


def expected_errors(pool: Pool) -> Floats:
    """Expected errors per second of each clip, in [0, PACE_LIMITS[1]]; 1: every word wrong at the usual pace.

    A clip's expected errors are (1 - confidence) x units spoken. Divided by its seconds and by the usual pace
    of its language this is (1 - confidence) x relative pace, comparable between characters and words. Clips
    flagged as not worth hearing count for less (`WORTH`).
    """
    errors = (1.0 - pool.confidence) * relative_pace(pool)
    for flag, worth in WORTH.items():
        errors = np.where(pool.flagged(flag), errors * worth, errors)
    return errors


def relative_pace(pool: Pool) -> Floats:
    """Characters per second over the median of the clip's language, within PACE_LIMITS.

    1 where the length of the text says nothing (`UNMEASURABLE`).
    """
    measurable = (pool.characters > 0) & ~pool.flagged(*UNMEASURABLE)
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
