"""Whether a new model may take an old one's place: it errs less on the same clips, and on no slice of them more.

*Less on the whole*: the 95 % interval of the paired bootstrap (Bisani and Ney 2004) of the difference in pooled error
rate lies wholly below 0. Speakers are drawn where there are several, for a speaker's clips go wrong together; clips
where there are too few. Of few speakers the percentiles are taken farther out, as Student's t would have it ("expanded
percentile interval", Hesterberg 2015, "What Teachers Should Know About the Bootstrap", 3.4).

*More on a slice*: a one-sided paired randomisation test (Noreen 1989, "Computer-intensive methods for testing
hypotheses"): were the models equal there, whose errors are whose would be a coin's throw for each clip. It is exact
where errors are few, which a bootstrap is not: three clips with a new mistake each are chance (1/8). Holm's correction
(1979) keeps the chance that any of many slices blocks wrongly under 5 %.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import norm, t

from earmark.speech.scoring import ErrorCounts, error_rate, paired_difference, total
from earmark.speech.slices import Traits, members

LEVEL = 0.95
RESAMPLES = 10_000
FEWEST_SPEAKERS = 8
"""Fewer known speakers say nothing about speakers: clips are drawn instead."""
FEWEST_CLIPS = 20
FEWEST_UNITS = 30
"""Smaller slices are shown and never block: nothing can be told of them."""
BLOCKING = ("language", "dialect")
"""The kinds of slices that must not pay for the rest."""


@dataclass(frozen=True)
class Pair:
    """The errors of both models in one clip, and what is known of the clip."""

    before: ErrorCounts
    after: ErrorCounts
    traits: Traits


@dataclass(frozen=True)
class SliceVerdict:
    """One language or dialect. Error rates; `change`, `low`, `high`: after minus before, with its interval.

    `chance` is that of a change for the worse as large between equal models; None for a slice too small to judge.
    """

    kind: str
    name: str
    clips: int
    units: int
    before: float
    after: float
    change: float
    low: float
    high: float
    chance: float | None
    is_worse: bool


@dataclass(frozen=True)
class Verdict:
    """All clips, then every slice. `drawn` is `speaker` or `clip`, `draws` how many of them there are."""

    clips: int
    units: int
    before: float
    after: float
    change: float
    low: float
    high: float
    drawn: str
    draws: int
    seed: int
    slices: tuple[SliceVerdict, ...]

    @property
    def is_better(self) -> bool:
        """Whether fewer errors on the whole are more than chance."""
        return self.high < 0

    @property
    def worse(self) -> tuple[SliceVerdict, ...]:
        """The slices that would pay for it."""
        return tuple(one for one in self.slices if one.is_worse)

    @property
    def promote(self) -> bool:
        """Whether the new model may take the place."""
        return self.is_better and not self.worse

    def as_json(self) -> dict[str, Any]:
        """Plain values, with what follows from them."""
        return {**asdict(self), "is_better": self.is_better, "promote": self.promote}


def judge(pairs: Sequence[Pair], *, seed: int, resamples: int = RESAMPLES) -> Verdict:
    """Compare two models clip by clip. Raises EarmarkError `speech:scoring:empty` without clips."""
    drawn, draws = _draws(pairs)
    change, low, high = _interval(pairs, seed=seed, resamples=resamples)
    found = _slices(pairs)
    chances = {
        key: chance_of_harm(_by_draw(some), seed=seed, resamples=resamples)
        for key, some in found.items()
        if _is_large(some)
    }
    worse = holm(chances, level=1 - LEVEL)
    return Verdict(
        clips=len(pairs),
        units=total(pair.before for pair in pairs).reference_units,
        before=error_rate(pair.before for pair in pairs),
        after=error_rate(pair.after for pair in pairs),
        change=change,
        low=low,
        high=high,
        drawn=drawn,
        draws=draws,
        seed=seed,
        slices=tuple(
            _slice(key, some, chances.get(key), key in worse, seed=seed, resamples=resamples)
            for key, some in found.items()
        ),
    )


def chance_of_harm(pairs: Sequence[Pair], *, seed: int, resamples: int = RESAMPLES) -> float:
    """How often equal models would differ as much for the worse: the share of random swaps of each pair, in (0, 1]."""
    gaps = np.array([pair.after.errors - pair.before.errors for pair in pairs], np.int64)
    sizes, counts = np.unique(np.abs(gaps[gaps != 0]), return_counts=True)
    if not len(sizes):
        return 1.0
    heads = np.random.default_rng(seed).binomial(counts, 0.5, size=(resamples, len(sizes)))
    swapped = (2 * heads - counts) @ sizes
    return float((1 + (swapped >= gaps.sum()).sum()) / (1 + resamples))


def holm(chances: dict[Any, float], *, level: float) -> set[Any]:
    """The keys whose chance is too small for chance, so that no wrong one is among them but in `level` of all cases."""
    rejected: set[Any] = set()
    for place, (key, chance) in enumerate(sorted(chances.items(), key=lambda item: item[1])):
        if chance > level / (len(chances) - place):
            break
        rejected.add(key)
    return rejected


def honest_level(draws: int, *, level: float = LEVEL) -> float:
    """The level to take percentiles at so that an interval from `draws` draws holds at `level`."""
    if draws < 2:
        return level
    out = t.ppf((1 + level) / 2, draws - 1) * np.sqrt(draws / (draws - 1))
    return float(1 - 2 * norm.sf(out))


def _draws(pairs: Sequence[Pair]) -> tuple[str, int]:
    speakers = {pair.traits.speaker for pair in pairs}
    several = len(speakers - {""}) >= FEWEST_SPEAKERS
    return ("speaker", len(speakers)) if several else ("clip", len(pairs))


def _by_draw(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """What is drawn as one: all clips of a speaker together, or each clip. Clips of nobody known are one speaker's."""
    if _draws(pairs)[0] == "clip":
        return pairs
    by: dict[str, Pair] = {}
    for pair in pairs:
        name = pair.traits.speaker
        held = by.get(name)
        by[name] = Pair(held.before + pair.before, held.after + pair.after, held.traits) if held else pair
    return list(by.values())


def _interval(pairs: Sequence[Pair], *, seed: int, resamples: int) -> tuple[float, float, float]:
    some = _by_draw(pairs)
    found = paired_difference(
        [pair.before for pair in some],
        [pair.after for pair in some],
        seed=seed,
        resamples=resamples,
        level=honest_level(len(some)),
    )
    return found.value, found.low, found.high


def _slices(pairs: Sequence[Pair]) -> dict[tuple[str, str], list[Pair]]:
    """The clips of every slice, each set of clips once: a collection's only dialect is its language again."""
    named = members([pair.traits for pair in pairs])
    seen = {tuple(range(len(pairs)))}
    found: dict[tuple[str, str], list[Pair]] = {}
    for kind in BLOCKING:
        for name, indices in named[kind].items():
            if tuple(indices) not in seen:
                seen.add(tuple(indices))
                found[kind, name] = [pairs[index] for index in indices]
    return found


def _is_large(pairs: Sequence[Pair]) -> bool:
    return len(pairs) >= FEWEST_CLIPS and sum(one.before.reference_units for one in pairs) >= FEWEST_UNITS


def _slice(
    key: tuple[str, str],
    pairs: Sequence[Pair],
    chance: float | None,
    is_worse: bool,
    *,
    seed: int,
    resamples: int,
) -> SliceVerdict:
    change, low, high = _interval(pairs, seed=seed, resamples=resamples)
    return SliceVerdict(
        *key,
        clips=len(pairs),
        units=sum(pair.before.reference_units for pair in pairs),
        before=error_rate(pair.before for pair in pairs),
        after=error_rate(pair.after for pair in pairs),
        change=change,
        low=low,
        high=high,
        chance=chance,
        is_worse=is_worse,
    )
