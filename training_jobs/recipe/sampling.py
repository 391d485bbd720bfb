"""Which clips share a batch, as a function of a seed: nothing here has a state to save."""

import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def generator(seed: int, *path: int | str) -> np.random.Generator:
    """A random generator of its own for each place `path` in a run: a resumed run draws the same numbers."""
    codes = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in path]
    return np.random.default_rng([seed, *codes])


def neighbour_batches(seconds: Sequence[float], batch_size: int, rng: np.random.Generator) -> list[list[int]]:
    """One pass over all clips in batches of similar length, batches in random order.

    Lengths are jittered by up to 10 % before sorting, so that passes differ in who meets whom. Every index
    comes once; one batch may be smaller than `batch_size`.
    """
    lengths = np.asarray(seconds, dtype=np.float64) * rng.uniform(0.9, 1.1, size=len(seconds))
    order = np.argsort(lengths, kind="stable")
    # the one incomplete batch is not always that of the longest clips
    offset = int(rng.integers(batch_size)) if len(order) > batch_size else 0
    cuts = [0, *range(offset or batch_size, len(order), batch_size), len(order)]
    batches = [order[a:b].tolist() for a, b in pairwise(cuts) if b > a]
    return [batches[i] for i in rng.permutation(len(batches))]


def batch_stream(
    seconds: Sequence[float], batch_size: int, steps: int, rng: np.random.Generator
) -> list[list[int]]:
    """`steps` batches of exactly min(batch_size, clips): pass after pass over all clips, short batches filled
    up.

    A short batch is filled with clips of the nearest length. Empty where there are no clips.
    """
    if not len(seconds) or batch_size == 0:
        return []
    size = min(batch_size, len(seconds))
    by_length = np.argsort(np.asarray(seconds), kind="stable")
    rank = np.empty(len(by_length), dtype=np.int64)
    rank[by_length] = np.arange(len(by_length))
    batches: list[list[int]] = []
    while len(batches) < steps:
        batches += [_filled(b, size, by_length, rank) for b in neighbour_batches(seconds, size, rng)]
    return batches[:steps]


def in_step(
    streams: Sequence[list[list[int]]], seconds: Sequence[Sequence[float]], rng: np.random.Generator
) -> list[list[list[int]]]:
    """The streams, each with its own batches in another order: those at one place are of similar length in all.

    Clips that share a forward pass are padded to the longest of them. Streams hold equally many batches, or none;
    `seconds` are those of each stream's clips.
    """
    steps = max((len(stream) for stream in streams), default=0)
    order = rng.permutation(steps).tolist()
    ordered = []
    for stream, lengths in zip(streams, seconds, strict=True):
        by_length = sorted(stream, key=lambda batch: max(lengths[i] for i in batch))
        ordered.append([by_length[place] for place in order] if stream else [])
    return ordered


def _filled(batch: list[int], size: int, by_length: np.ndarray, rank: np.ndarray) -> list[int]:
    missing = size - len(batch)
    if missing == 0:
        return batch
    here = rank[batch[0]]
    nearest = sorted(
        (i for i in by_length.tolist() if i not in set(batch)), key=lambda i: abs(rank[i] - here)
    )
    return batch + nearest[:missing]
