"""How much of the gap between few labels and all of them was closed, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from earmark.speech.scoring import ErrorCounts

RESAMPLES = 2_000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float


Scored = Mapping[int, Sequence[ErrorCounts]]
"""By seed, the errors of one arm in each clip of that seed's test set, in its order."""


def error_rates(arm: Scored) -> Interval:
    """The mean of the seeds' pooled error rates; the interval draws seeds, and clips within them."""
    return resampled([arm], lambda rates: rates[0])


def recovery(few: Scored, tried: Scored, everything: Scored) -> Interval:
    """WRR = (few - tried) / (few - all), of mean error rates over seeds.

    All arms are scored on the same clips: the same seeds and clips are drawn for all of them in every resample.
    """
    return resampled([few, tried, everything], lambda rates: (rates[0] - rates[1]) / (rates[0] - rates[2]))


def recovery_lost(few: Scored, clean: Scored, spoilt: Scored, everything: Scored) -> Interval:
    """By how much WRR falls from `clean` to `spoilt`."""
    return resampled(
        [few, clean, spoilt, everything], lambda rates: (rates[2] - rates[1]) / (rates[0] - rates[3])
    )


def resampled(arms: Sequence[Scored], figure: Callable[[np.ndarray], float]) -> Interval:
    """`figure` of the mean error rates of `arms` over their seeds, with its interval over seeds and clips.

    Seeds, and clips within them, are drawn alike for all arms.
    """
    seeds = sorted(arms[0])
    counts = {seed: np.array([_counts(arm[seed]) for arm in arms]) for seed in seeds}
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        rates = []
        for seed in rng.choice(seeds, len(seeds)):
            clips = counts[seed].shape[1]
            rates.append(_rates(counts[seed][:, rng.integers(0, clips, clips)]))
        found.append(figure(np.mean(rates, axis=0)))
    # where a resample has no gap to close, its share is not defined
    low, high = np.quantile([one for one in found if np.isfinite(one)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    whole = figure(np.mean([_rates(counts[seed]) for seed in seeds], axis=0))
    return Interval(float(whole), float(low), float(high))


def _counts(clips: Sequence[ErrorCounts]) -> list[tuple[int, int]]:
    return [(clip.errors, clip.reference_units) for clip in clips]


def _rates(counts: np.ndarray) -> np.ndarray:
    """Of int [arms, clips, 2] the pooled error rate of each arm."""
    errors, units = counts.sum(axis=1).T
    rates: np.ndarray = errors / np.maximum(1, units)
    return rates
