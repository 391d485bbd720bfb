"""From a shortlist, clips that stand for all of it: each cluster as much as there is to repair in it, none twice."""

from dataclasses import dataclass

import numpy as np

from annotation.acquisition.pool import UNKNOWN_SPEAKER, Booleans, Floats, Integers, Vectors

SPEAKER_SHARES = 2.0
"""A speaker may take this many equal shares of the budget before others are preferred."""
CLUSTER_SHARES = 3.0
"""A cluster may take this many equal shares of the budget before others are preferred."""
ALIKE = 0.9
"""Similarity of whitened embeddings from which two clips are the same sound twice."""


@dataclass(frozen=True)
class Shortlist:
    """Columns of length n: `seconds`, `speaker`, `worth` per second (0: not to be chosen), `vectors` of unit length,
    `cluster` from 0, `near` the similarity to the nearest clip that people have or had.
    """

    seconds: Floats
    speaker: Integers
    worth: Floats
    vectors: Vectors
    cluster: Integers
    near: Floats


@dataclass(frozen=True)
class Spread:
    """Positions on the shortlist in the order they were chosen, the similarity of each to the nearest clip before it,
    and whether it was taken beyond the caps, for want of others.
    """

    index: Integers
    near: Floats
    over_cap: Booleans


def spread_over(shortlist: Shortlist, budget: float) -> Spread:
    """Choose clips of `budget` seconds: always from the cluster that is furthest behind its share the one of most worth
    and least like those chosen. A cluster's share is that of its expected errors, at most CLUSTER_SHARES equal ones.

    Caps on speakers and clusters hold while any other clip is left; only then are they lifted. Sounds that people have
    already are never chosen.
    """
    choosing = _Choosing(shortlist, budget)
    choosing.go_on(capped=True)
    within = len(choosing.chosen)
    choosing.go_on(capped=False)
    return Spread(
        np.array(choosing.chosen, np.int64),
        np.array(choosing.near_then, np.float64),
        np.arange(len(choosing.chosen)) >= within,
    )


class _Choosing:
    def __init__(self, shortlist: Shortlist, budget: float) -> None:
        self._of, self._budget, self._left = shortlist, budget, budget
        self._near = shortlist.near.copy()
        self._free = shortlist.worth > 0
        order = np.argsort(shortlist.cluster, kind="stable")
        ends = np.flatnonzero(np.diff(shortlist.cluster[order])) + 1
        self._members = np.split(order, ends) if len(order) else []
        self._spent = np.zeros(len(self._members))
        speakers, self._speaker = np.unique(shortlist.speaker, return_inverse=True)
        known = speakers != UNKNOWN_SPEAKER
        share = SPEAKER_SHARES * budget / max(1, int(np.count_nonzero(known)))
        self._room = np.where(known, share, np.inf)
        self.chosen: list[int] = []
        self.near_then: list[float] = []

    def go_on(self, *, capped: bool) -> None:
        """Choose until the budget is spent or nothing that may be chosen fits."""
        share = self._shares()
        most = CLUSTER_SHARES / max(1, int(np.count_nonzero(share)))
        is_open = share > 0
        while is_open.any():
            if capped:
                is_open &= self._spent < most * self._budget
            behind = np.where(is_open, share * self._budget - self._spent, -np.inf)
            which = int(np.argmax(behind))
            if not is_open[which] or not self._take_from(self._members[which], which, capped=capped):
                is_open[which] = False

    def _shares(self) -> Floats:
        mass = self._of.worth * self._of.seconds
        of_clusters = np.array([float(mass[each].sum()) for each in self._members])
        share: Floats = of_clusters / max(float(of_clusters.sum()), 1e-12)
        return share

    def _take_from(self, members: Integers, which: int, *, capped: bool) -> bool:
        """Choose one of `members`, if any may be."""
        of = self._of
        may = self._free[members] & (of.seconds[members] <= self._left) & (self._near[members] < ALIKE)
        if capped:
            may &= self._room[self._speaker[members]] > 0
        if not may.any():
            return False
        value = of.worth[members] * (1.0 - np.clip(self._near[members], 0.0, 1.0))
        one = int(members[np.argmax(np.where(may, value, -np.inf))])
        self.chosen.append(one)
        self.near_then.append(float(self._near[one]))
        self._free[one] = False
        self._left -= of.seconds[one]
        self._spent[which] += of.seconds[one]
        self._room[self._speaker[one]] -= of.seconds[one]
        self._near[members] = np.maximum(self._near[members], of.vectors[members] @ of.vectors[one])
        return True
