"""Bootstrap of sums over clips, exact and quick at any number of clips.

Which clips a resample draws matters only through how often it draws each distinct pair of numbers: clips with the same
numbers are one cell, and the cells' counts are multinomial. A hundred thousand clips have a few hundred cells.
"""

from collections.abc import Sequence

import numpy as np

_MOST_NUMBERS_AT_ONCE = 4_000_000


def resampled_sums(columns: Sequence[np.ndarray], *, resamples: int, seed: int) -> np.ndarray:
    """The sums [resamples, C] of `columns` (C arrays [n] of integers) over n clips drawn with replacement.

    All columns are drawn together: the same clips in every one.
    """
    cells, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    shares, drawn = counts / counts.sum(), int(counts.sum())
    rng = np.random.default_rng(seed)
    step = max(1, _MOST_NUMBERS_AT_ONCE // len(cells))
    parts = [
        rng.multinomial(drawn, shares, size=min(step, resamples - start)) @ cells
        for start in range(0, resamples, step)
    ]
    sums: np.ndarray = np.concatenate(parts)
    return sums


def ratio(errors: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Pooled error rates: `errors` over `totals`, over 1 where nothing was to be said."""
    rates: np.ndarray = errors / np.maximum(1, totals)
    return rates
