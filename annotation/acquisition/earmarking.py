"""The default: errors worth repairing, of every kind there is, in proportion to how many of each kind there are.

Uncertainty alone finds garbage, copies and one speaker; diversity alone finds what the model knows. So: a gate, a
shortlist by expected errors per second, and from it a pick that is spread over clusters as the errors are.
"""

import numpy as np

from annotation.acquisition.choosing import Scores, reads
from annotation.acquisition.diversity import spread
from annotation.acquisition.expected_errors import expected_errors
from annotation.acquisition.gating import LIKELY, is_speech, misplaced, references, refused_alike
from annotation.acquisition.pool import Floats, Integers, Pool, Vectors
from annotation.acquisition.spreading import Shortlist, spread_over
from annotation.acquisition.vectors import joined, k_means, nearest_similarity, whitened

SHORTLIST = 5.0
"""Budgets of audio that are looked at closely."""
SATURATED = 0.5
"""Expected errors per second from which clips count alike: half of it wrong or all of it, the model does not know
this, and the very least sure clips are garbage more often than others."""
CLIPS_A_CLUSTER = 6
"""Clips a cluster gives on average, if the budget suffices for as many clusters."""
FEWEST_CLUSTERS, MOST_CLUSTERS = 8, 256


@reads("embeddings")
def earmark(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Scores:
    """Gate, shortlist, spread. Chosen clips score above 0, in the order they were chosen, so that a round that ends
    early is spread, too; all others below, by expected errors; what the gate refuses is not chosen at all.
    """
    errors = expected_errors(pool)
    score = np.where(is_speech(pool), errors / 10 - 1.0, -np.inf)
    index = shortlisted(pool, errors, budget_seconds, rng)
    if not len(index):
        return Scores(score, {"expected_errors": errors})
    vectors, near, refusal = looked_at(pool, index, rng)
    worth = np.minimum(errors[index], SATURATED) * np.where(refusal < LIKELY, 1.0 - refusal, 0.0)
    wanted = budget_seconds / float(pool.seconds[index].mean()) / CLIPS_A_CLUSTER
    count = min(len(index), int(np.clip(wanted, FEWEST_CLUSTERS, MOST_CLUSTERS)))
    cluster = k_means(vectors, count, rng)
    picks = spread_over(
        Shortlist(pool.seconds[index], pool.speaker[index], worth, vectors, cluster, near), budget_seconds
    )
    score[index[refusal >= LIKELY]] = -np.inf
    score[index[picks.index]] = 1.0 - np.arange(len(picks.index)) / max(1, len(picks.index))
    why = {
        "expected_errors": errors,
        "rank": spread((np.argsort(np.argsort(-errors[index])) + 1).astype(np.float64), index, len(pool)),
        "cluster": spread(cluster.astype(np.float64), index, len(pool)),
        "clips_alike": spread(np.bincount(cluster)[cluster].astype(np.float64), index, len(pool)),
        "refusal": spread(refusal, index, len(pool)),
        "nearest": spread(picks.near, index[picks.index], len(pool)),
        "over_cap": spread(picks.over_cap.astype(np.float64), index[picks.index], len(pool)),
    }
    return Scores(score, why)


def shortlisted(pool: Pool, errors: Floats, budget_seconds: float, rng: np.random.Generator) -> Integers:
    """Positions of SHORTLIST budgets of the speech with most expected errors that the round may still take.

    Above SATURATED chance decides, so that what the model does not know is represented as it is in the pool.
    """
    possible = np.flatnonzero(pool.free & is_speech(pool) & (errors > 0))
    order = possible[np.lexsort((rng.random(len(possible)), -np.minimum(errors[possible], SATURATED)))]
    spent = np.cumsum(pool.seconds[order])
    return order[: 1 + int(np.searchsorted(spent, SHORTLIST * budget_seconds))]


def looked_at(pool: Pool, index: Integers, rng: np.random.Generator) -> tuple[Vectors, Floats, Floats]:
    """Of the clips at `index`: whitened embeddings [n, d], the similarity [n] to the nearest clip people have or had,
    and how likely they refuse each, in 0..1.
    """
    taken, known = np.flatnonzero(~pool.free), references(pool, rng)
    parts = [pool.vectors(index), pool.vectors(known), pool.vectors(taken), pool.answered.vectors]
    places = np.cumsum([len(part) for part in parts])[:-1]
    every = whitened(joined(parts), rng)
    vectors, reference, others, answered = np.split(every, places)
    place = np.full(len(pool), -1)
    place[known] = np.arange(len(known))
    misfit = misplaced(vectors, pool.language[index], reference, pool.language[known], itself=place[index])
    alike = refused_alike(vectors, answered, pool.answered.refused)
    refusal = 1.0 - (1.0 - misfit) * (1.0 - alike)
    near = nearest_similarity(vectors, np.concatenate([others, answered])).astype(np.float64)
    return vectors, near, refusal
