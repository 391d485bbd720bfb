"""The model's doubts alone, as most tools rank by them. They find garbage, outliers and copies, too.

There is no margin between the two likeliest tokens: hypotheses keep the probability of the token that was written and
the entropy of its rivals. The least sure word stands for it.
"""

import numpy as np

from annotation.acquisition.choosing import Scores, reads
from annotation.acquisition.pool import Floats, Pool


def least_confidence(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Scores:
    """1 - confidence, in [0, 1]: the clips the model is least sure of, whatever they are (Lewis and Gale, 1994)."""
    return _explained(1.0 - pool.confidence, "doubt")


@reads("features")
def entropy(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Scores:
    """Mean entropy of a clip's tokens, in nats, each over its likeliest rivals; what is not known comes last."""
    return _explained(_known(pool.feature("mean_entropy")), "mean_entropy")


@reads("features")
def weakest_word(pool: Pool, budget_seconds: float, rng: np.random.Generator) -> Scores:
    """1 - probability of the clip's least sure word, in [0, 1]: one wrong word in a sure sentence is found."""
    return _explained(-np.expm1(_known(-pool.feature("min_word_logprob")) * -1.0), "weakest_word_doubt")


def _known(values: Floats) -> Floats:
    return np.nan_to_num(values, nan=0.0)


def _explained(score: Floats, name: str) -> Scores:
    return Scores(score, {name: score})
