"""Arithmetic on embeddings: directions that count alike, clusters, similarity."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annotation.acquisition.pool import Floats, Integers, Vectors

DIRECTIONS = 32
"""Most principal directions kept; behind them pooled encoder output holds mostly noise."""
_LEARNED_FROM = 20_000
_SEEDED_FROM = 4_000
_BLOCK = 65_536
_FAINTEST = 1e-3
_SAME = 1e-5


def whitened(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    """float32 [n, <= DIRECTIONS] of unit length: principal directions, each with the same spread.

    Raw pooled embeddings lie in a narrow cone in which a speaker's voice outweighs everything. Rows of zeros, clips
    nobody has an embedding of, stay zeros: they are like nothing.
    """
    there = np.flatnonzero(vectors.any(axis=1))
    if len(there) < 2:
        return np.zeros((len(vectors), 1), np.float32)
    sample = vectors[_some(there, _LEARNED_FROM, rng)].astype(np.float64)
    mean = sample.mean(axis=0)
    values, directions = np.linalg.eigh(np.cov(sample - mean, rowvar=False).reshape(len(mean), -1))
    kept = values > _FAINTEST * max(float(values[-1]), 1e-12)
    kept[:-DIRECTIONS] = False
    if not kept.any():
        return np.zeros((len(vectors), 1), np.float32)
    scale = (directions[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    found = unit((vectors - mean.astype(np.float32)) @ scale)
    found[~vectors.any(axis=1)] = 0
    return found


def joined(parts: Sequence[Vectors]) -> Vectors:
    """The rows of all parts; a part without rows may be of any width."""
    there = [part for part in parts if len(part)]
    return np.concatenate(there) if there else np.zeros((0, 1), np.float32)


def unit(vectors: Vectors) -> Vectors:
    """The same directions, of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled


def nearest_similarity(vectors: Vectors, others: Vectors) -> NDArray[np.float32]:
    """The cosine [n] of each row with the most similar of `others`, all of unit length; -1 where there are none."""
    found = np.full(len(vectors), -1.0, np.float32)
    if len(others):
        for start in range(0, len(vectors), _BLOCK):
            found[start : start + _BLOCK] = (vectors[start : start + _BLOCK] @ others.T).max(axis=1)
    return found


def k_means(vectors: Vectors, count: int, rng: np.random.Generator, *, rounds: int = 8) -> Integers:
    """The cluster [n] in 0..count-1 of each row, by k-means on the sphere, seeded as k-means++ (Arthur and
    Vassilvitskii, 2007) on a sample. Clusters may stay empty.
    """
    centres = vectors[seeds(vectors, count, rng)]
    sample = vectors[_some(np.arange(len(vectors)), _LEARNED_FROM, rng)]
    for _ in range(rounds):
        of = _nearest(sample, centres)
        members = np.bincount(of, minlength=len(centres))
        order = np.argsort(of, kind="stable")
        filled = np.flatnonzero(members)
        first = np.concatenate(([0], np.cumsum(members[filled])[:-1]))
        centres[filled] = unit(np.add.reduceat(sample[order], first, axis=0))
    return _nearest(vectors, centres)


def seeds(
    vectors: Vectors, count: int, rng: np.random.Generator, *, weights: Floats | None = None
) -> Integers:
    """Positions of at most `count` rows, drawn one after another with a chance of weight x distance squared to those
    drawn before; among a sample of rows where there are many. Fewer where the rest coincide with these.
    """
    some = _some(np.arange(len(vectors)), max(_SEEDED_FROM, 2 * count), rng)
    rows = vectors[some]
    chance = np.ones(len(some)) if weights is None else weights[some].astype(np.float64)
    distance, drawn = np.full(len(some), 2.0), list[int]()
    while len(drawn) < min(count, len(some)):
        mass = np.cumsum(chance * distance)
        if not mass[-1] > 0:
            break
        drawn.append(int(np.searchsorted(mass, rng.random() * mass[-1], side="right").clip(0, len(some) - 1)))
        away = 1.0 - rows @ rows[drawn[-1]]
        np.minimum(distance, np.where(away > _SAME, away, 0.0), out=distance)
        distance[drawn[-1]] = 0.0
    return some[drawn]


def _nearest(vectors: Vectors, centres: Vectors) -> Integers:
    found = np.zeros(len(vectors), np.int64)
    for start in range(0, len(vectors), _BLOCK):
        found[start : start + _BLOCK] = (vectors[start : start + _BLOCK] @ centres.T).argmax(axis=1)
    return found


def _some(index: Integers, most: int, rng: np.random.Generator) -> Integers:
    return index if len(index) <= most else np.sort(rng.choice(index, most, replace=False))
