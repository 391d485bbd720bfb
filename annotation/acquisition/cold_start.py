"""What to ask first of a model that knows nothing of this speech: what is typical, not what is doubtful."""

import numpy as np

from annotation.acquisition.choosing import Scores, reads
from annotation.acquisition.diversity import candidates, in_order
from annotation.acquisition.pool import Integers, Pool, Vectors
from annotation.acquisition.vectors import k_means

NEIGHBOURS = 20
MOST_CLUSTERS = 1_000
COVERED = 0.95
"""Similarity from which a clip is covered by one that was answered before."""


@reads("embeddings")
def typiclust(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Scores:
    """The most typical clip of each of as many clusters as clips are wanted, large clusters first, and again.

    Typical: the inverse of the mean distance to the NEIGHBOURS nearest in its cluster (Hacohen, Dekel and Weinshall,
    "Active learning on a budget: opposite strategies suit high and low budgets", ICML 2022).
    """
    index, vectors, near = candidates(pool, rng)
    if not len(index):
        return in_order(pool, index, rng)
    wanted = max(1, int(budget_seconds / float(np.mean(pool.seconds[index]))))
    cluster = k_means(vectors, min(wanted, MOST_CLUSTERS), rng)
    sizes = np.bincount(cluster)
    typical = typicality(vectors, cluster)
    best = np.lexsort((-typical, near > COVERED, cluster))
    turn = np.empty(len(index), np.int64)
    turn[best] = np.arange(len(index)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = np.lexsort((-sizes[cluster], turn))
    return in_order(
        pool,
        index[order],
        rng,
        cluster=cluster[order].tolist(),
        clips_alike=sizes[cluster[order]].tolist(),
        typicality=typical[order].tolist(),
    )


def typicality(vectors: Vectors, cluster: Integers) -> np.ndarray:
    """Of each row [n] of unit length: 1 / mean distance to its nearest neighbours in its cluster; 0 alone in it."""
    found = np.zeros(len(vectors))
    order = np.argsort(cluster, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1):
        if len(members) < 2:
            continue
        similar = vectors[members] @ vectors[members].T
        np.fill_diagonal(similar, -np.inf)
        count = min(NEIGHBOURS, len(members) - 1)
        closest = np.partition(similar, len(members) - count, axis=1)[:, len(members) - count :]
        distance = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * closest)).mean(axis=1)
        found[members] = 1.0 / (distance + 1e-3)
    return found
