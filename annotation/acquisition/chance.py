"""No preference at all."""

import numpy as np

from annotation.acquisition.pool import Floats, Pool


def random(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Floats:
    """The baseline every strategy is measured against: a uniform score in [0, 1)."""
    return rng.random(len(pool))
