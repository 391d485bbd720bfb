"""Which pseudo-labels an epoch trains on: what is easy to trust must not crowd out what is still to be learned."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

from training_jobs.recipe.pseudo_labels import PseudoLabel

_Kind = TypeVar("_Kind", bound=Hashable)


def balanced(
    labels: Sequence[PseudoLabel],
    kinds: Sequence[_Kind],
    heard: Counter[_Kind],
    *,
    count: int,
    most_often: float,
    rng: np.random.Generator,
) -> list[PseudoLabel]:
    """About `count` of `labels`, their kinds (of the same length) in the shares in which they were `heard`.

    Trust is won first by the kinds of speech a model knows best, so accepted labels are no fair draw of the pool. Where
    few of a kind are trusted they are repeated, each at most `most_often` times (1 or more) on the average, none before
    all of its kind have come; of other kinds some are left out.
    """
    by_kind: dict[_Kind, list[int]] = {}
    for place, kind in enumerate(kinds):
        by_kind.setdefault(kind, []).append(place)
    total = sum(heard[kind] for kind in by_kind)
    drawn: list[int] = []
    for kind, places in by_kind.items():
        wanted = min(round(count * heard[kind] / max(1, total)), round(most_often * len(places)))
        rounds = -(-wanted // len(places))
        order = [place for _ in range(rounds) for place in rng.permutation(places).tolist()]
        drawn += order[:wanted]
    return [labels[place] for place in sorted(drawn)]
