"""Clips that differ from each other, whatever the model makes of them. Good company for uncertainty, poor alone."""

import numpy as np
from numpy.typing import NDArray

from annotation.acquisition.choosing import Scores, reads
from annotation.acquisition.pool import Floats, Integers, Pool, Vectors
from annotation.acquisition.vectors import joined, nearest_similarity, seeds, whitened

CANDIDATES = 20_000
"""Of more clips so many are drawn first: each choice looks at all of them."""


@reads("embeddings")
def k_centre(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Scores:
    """Each clip as far as can be from all chosen and answered before it (greedy k-centre: Sener and Savarese, 2018)."""
    index, vectors, near = candidates(pool, rng)
    chosen, similarity = list[int](), list[float]()
    left, seconds = budget_seconds, pool.seconds[index]
    free = seconds <= left
    while free.any():
        place = int(np.argmin(np.where(free, near, np.inf)))
        chosen.append(place)
        similarity.append(float(near[place]))
        left -= seconds[place]
        free[place] = False
        free &= seconds <= left
        np.maximum(near, vectors @ vectors[place], out=near)
    return in_order(pool, index[chosen], rng, nearest=similarity)


@reads("embeddings")
def k_means(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Scores:
    """Clips drawn as k-means++ draws its seeds: far from each other, more where there are more."""
    index, vectors, near = candidates(pool, rng)
    if not len(index):
        return in_order(pool, index, rng)
    count = 1 + int(2 * budget_seconds / float(np.mean(pool.seconds[index])))
    novelty = np.maximum(0.0, 1.0 - near).astype(np.float64)
    return in_order(pool, index[seeds(vectors, count, rng, weights=novelty)], rng)


def candidates(pool: Pool, rng: np.random.Generator) -> tuple[Integers, Vectors, Vectors]:
    """Positions of at most CANDIDATES clips the round may take, their whitened embeddings, and the similarity of each
    to the nearest clip that is taken or answered.
    """
    free = np.flatnonzero(pool.free)
    index = free if len(free) <= CANDIDATES else np.sort(rng.choice(free, CANDIDATES, replace=False))
    taken = np.flatnonzero(~pool.free)
    every = whitened(joined([pool.vectors(index), pool.vectors(taken), pool.answered.vectors]), rng)
    vectors = every[: len(index)]
    return index, vectors, nearest_similarity(vectors, every[len(index) :])


def in_order(pool: Pool, order: Integers, rng: np.random.Generator, **why: list[float]) -> Scores:
    """Scores above 0 for the clips of `order`, the first highest; at random below 0 for all others."""
    score = rng.random(len(pool)) - 1.0
    score[order] = 1.0 - np.arange(len(order)) / max(1, len(order))
    return Scores(score, {name: spread(values, order, len(pool)) for name, values in why.items()})


def spread(values: list[float] | NDArray[np.floating], index: Integers, length: int) -> Floats:
    """A column [length] of the values at `index`, NaN elsewhere."""
    column = np.full(length, np.nan)
    column[index] = values
    return column
