"""Which clips are worth a person's time: pure, seeded functions over arrays.

Each strategy is named by its dotted path here; the setting ACQUISITION_STRATEGIES lists those that may be chosen.
"""

from annotation.acquisition.chance import random
from annotation.acquisition.choosing import (
    Picks,
    Scores,
    Strategy,
    choose,
    find_strategy,
    read_by,
    reads,
)
from annotation.acquisition.cold_start import typiclust
from annotation.acquisition.diversity import k_centre, k_means
from annotation.acquisition.earmarking import earmark
from annotation.acquisition.expected_errors import errors_per_second
from annotation.acquisition.pool import UNKNOWN_SPEAKER, Answered, KeptVectors, Pool
from annotation.acquisition.uncertainty import entropy, least_confidence, weakest_word

DEFAULT_STRATEGY = "annotation.acquisition.earmark"
STRATEGIES = (
    DEFAULT_STRATEGY,
    "annotation.acquisition.errors_per_second",
    "annotation.acquisition.least_confidence",
    "annotation.acquisition.entropy",
    "annotation.acquisition.weakest_word",
    "annotation.acquisition.k_centre",
    "annotation.acquisition.k_means",
    "annotation.acquisition.typiclust",
    "annotation.acquisition.random",
)

__all__ = [
    "DEFAULT_STRATEGY", "STRATEGIES", "UNKNOWN_SPEAKER", "Answered", "KeptVectors", "Picks", "Pool", "Scores",
    "Strategy", "choose", "earmark", "entropy", "errors_per_second", "find_strategy", "k_centre", "k_means",
    "least_confidence", "random", "read_by", "reads", "typiclust", "weakest_word",
]  # fmt: skip
