"""Spend a round's budget: the audit's share at random, the rest by a strategy, quick at a million clips.

A round spends a budget in seconds of audio. An audit share of it is drawn first, uniformly from everything
eligible and blind to confidence, so that calibration and error estimates have a sample without bias. The rest
goes by a strategy: a function named by its dotted path that scores the pool, higher is asked first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from annotation.acquisition.pool import Booleans, Floats, Integers, Pool
from earmark.speech.errors import EarmarkError

READABLE = ("embeddings", "features")
"""What a strategy may read of a pool that is only read on wish."""
_PLACES = 4


@dataclass(frozen=True)
class Scores:
    """What a strategy makes of a pool: `score` [n], higher is asked first; `why` by name, [n] each, NaN where it does
    not apply: what was weighed, shown beside the clip.
    """

    score: Floats
    why: Mapping[str, NDArray[Any]] = field(default_factory=dict)


Strategy = Callable[[Pool, float, np.random.Generator], Scores | Floats]
"""(pool, seconds to spend, generator) -> score of each clip, perhaps with reasons; higher is asked first."""
Named = TypeVar("Named", bound=Strategy)


@dataclass(frozen=True)
class Picks:
    """What to ask, highest score first: positions in the pool, whether each was drawn for the audit, its score, and
    what the strategy weighed; nothing of a clip drawn for the audit.
    """

    index: Integers
    is_audit: Booleans
    score: Floats
    why: Sequence[dict[str, float]]

    def __len__(self) -> int:
        return len(self.index)


def reads(*columns: str) -> Callable[[Named], Named]:
    """Marks a strategy that reads columns of READABLE: a pool is read without them for all others."""
    assert set(columns) <= set(READABLE)

    def mark(strategy: Named) -> Named:
        strategy.reads = frozenset(columns)  # type: ignore[attr-defined]
        return strategy

    return mark


def read_by(strategy: Strategy) -> frozenset[str]:
    """The columns of READABLE that the strategy reads."""
    return getattr(strategy, "reads", frozenset())


def choose(pool: Pool, *, strategy: Strategy, budget_seconds: float, audit_share: float, seed: int) -> Picks:
    """Spend `budget_seconds` on clips of `pool`: the audit's share at random, the rest by `strategy`.

    The same arguments choose the same clips; no clip is chosen twice; the sum of seconds never exceeds the
    budget; the audit's clips do not depend on confidence, strategy or flags. A clip of score minus infinity is not
    chosen, unless by the audit.
    """
    audit = draw_audit(
        pool.seconds, audit_share * budget_seconds, budget_seconds, np.random.default_rng([seed, 0])
    )
    rng = np.random.default_rng([seed, 1])
    left = budget_seconds - float(pool.seconds[audit].sum())
    found = strategy(pool.with_taken(audit), left, rng)
    scores = found if isinstance(found, Scores) else Scores(found)
    ranked = np.lexsort((rng.permutation(len(pool)), -scores.score))
    is_audit = np.zeros(len(pool), dtype=bool)
    is_audit[audit] = True
    ranked_rest = ranked[~is_audit[ranked] & (scores.score[ranked] > -np.inf)]
    chosen = is_audit.copy()
    chosen[ranked_rest[fill(pool.seconds[ranked_rest], left)]] = True
    index = ranked[chosen[ranked]]
    why = [{} if is_audit[one] else _reasons(scores.why, one) for one in index]
    lowest = np.min(scores.score, initial=0.0, where=scores.score > -np.inf)
    return Picks(
        index=index, is_audit=is_audit[index], score=np.maximum(scores.score[index], lowest), why=why
    )


def _reasons(why: Mapping[str, NDArray[Any]], one: int) -> dict[str, float]:
    values = {name: float(column[one]) for name, column in why.items()}
    return {name: round(value, _PLACES) for name, value in values.items() if np.isfinite(value)}


def draw_audit(seconds: Floats, share_seconds: float, limit: float, rng: np.random.Generator) -> Integers:
    """Positions of a uniform random sample of about `share_seconds`, never over `limit`.

    Clips are taken in a random order until the share is spent: the last one is kept if at least half of it
    falls inside, so that neither short nor long clips are preferred.
    """
    order = rng.permutation(len(seconds))
    spent = np.cumsum(seconds[order])
    inside = (spent - seconds[order] / 2 <= share_seconds) & (spent <= limit)
    stop = len(order) if inside.all() else int(np.argmin(inside))
    return order[:stop]


def fill(seconds: Floats, budget: float) -> Integers:
    """Positions taken in the given order while they fit into `budget` seconds.

    Clips too long for what is left are passed over, but not far: the search ends at twice the rank of the
    first one that did not fit, so that no clip is asked only because it is short.
    """
    taken: list[Integers] = []
    reach = 2 * int(np.searchsorted(np.cumsum(seconds), budget, side="right")) + 1
    candidates = np.arange(min(reach, len(seconds)))
    while len(candidates := candidates[seconds[candidates] <= budget]):
        spent = np.cumsum(seconds[candidates])
        fitting = max(1, int(np.searchsorted(spent, budget, side="right")))
        taken.append(candidates[:fitting])
        budget -= float(spent[fitting - 1])
        candidates = candidates[fitting:]
    return np.concatenate(taken) if taken else np.arange(0)


def find_strategy(path: str, allowed: Sequence[str]) -> Strategy:
    """The strategy at the dotted `path`, one of `allowed`: a path is code, so it is never taken from a request
    alone. Raises EarmarkError `annotation:strategy:unknown`.
    """
    if path not in allowed:
        raise EarmarkError(
            "annotation:strategy:unknown",
            f"{path!r} is no acquisition strategy of this installation.",
            f"Choose one of {', '.join(allowed)}; more are added in the setting ACQUISITION_STRATEGIES.",
        )
    module, _, name = path.rpartition(".")
    try:
        strategy: Strategy = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EarmarkError(
            "annotation:strategy:unknown",
            f"The acquisition strategy {path!r} cannot be imported: {error}.",
            "Correct the setting ACQUISITION_STRATEGIES.",
        ) from error
    return strategy
