"""Error rates against labelled seconds: how few seconds one way of choosing needs for what another reaches."""

from collections.abc import Sequence

import numpy as np

NOT_REACHED = 2.0
"""Times the largest budget: what stands for an error rate that no budget reached."""


def seconds_share_to_reach(
    budgets: Sequence[float], rates: Sequence[float], *, target: float, at: float
) -> float:
    """The budget, as a share of the budget `at`, from which a curve of `rates` is at `target` or below.

    Between two budgets the rate is taken to change evenly with the logarithm of the seconds. Below the first budget
    nothing was measured: a curve that begins at the target counts with the first.
    """
    rates = np.asarray(rates, np.float64).tolist()
    reached = [place for place, rate in enumerate(rates) if rate <= target]
    if not reached:
        return NOT_REACHED * budgets[-1] / at
    place = reached[0]
    if place == 0:
        return budgets[0] / at
    above, below = rates[place - 1], rates[place]
    way = (above - target) / (above - below)
    log = np.log(budgets[place - 1]) + way * (np.log(budgets[place]) - np.log(budgets[place - 1]))
    return float(np.exp(log) / at)
