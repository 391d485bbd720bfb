"""What the figures of label efficiency mean."""

import numpy as np
import pytest

from annotation.acquisition import random
from benchmarks.heard_pool import HeardClip, HeardPool
from benchmarks.label_curves import seconds_share_to_reach
from benchmarks.label_rounds import Played
from training_jobs.recipe.manifest import ClipEntry

BUDGETS = (0.01, 0.02, 0.04, 0.08, 0.16)


def test_between_budgets_the_logarithm_of_seconds_counts() -> None:
    share = seconds_share_to_reach(BUDGETS, [0.5, 0.4, 0.2, 0.1, 0.1], target=0.3, at=0.08)
    assert share == pytest.approx(0.02 * 2**0.5 / 0.08)
    assert seconds_share_to_reach(BUDGETS, [0.3, 0.2, 0.1, 0.1, 0.1], target=0.3, at=0.08) == 0.125
    reached = seconds_share_to_reach(BUDGETS, [0.5, 0.4, 0.3, 0.3, 0.3], target=0.3, at=0.08)
    assert reached == pytest.approx(0.5)
    assert seconds_share_to_reach(BUDGETS, [0.5] * 5, target=0.3, at=0.08) == 4.0


def played(good: int, garbage: int) -> Played:
    names = [f"american-m1-{n}" for n in range(good)] + [f"noise-{n}" for n in range(garbage)]
    entries = [ClipEntry(id=name, audio="a.flac", seconds=1.0, language="en") for name in names]
    clips = [
        HeardClip("one", 0.5, {}, [], "silent" if n % 2 else "") for n in [0] * good + list(range(garbage))
    ]
    return Played(entries, HeardPool(clips, np.ones((len(entries), 4), np.float16)), good)


def test_rounds_add_up_to_each_budget_and_ask_no_clip_twice() -> None:
    rounds = played(100, 10).rounds(random, (0.1, 0.2, 0.4), seed=1, garbage=True)
    assert [len(each) for each in rounds] == [10, 20, 40]
    assert rounds[1][:10] == rounds[0]
    assert len(set(rounds[2])) == 40


def test_the_gate_stands_before_every_strategy_and_garbage_is_counted_in_seconds() -> None:
    pool = played(20, 20)
    everything = pool.rounds(random, (2.0,), seed=1, garbage=True, gated=False)[0]
    assert pool.garbage_share(everything) == 0.5
    behind = pool.rounds(random, (2.0,), seed=1, garbage=True)[0]
    assert pool.garbage_share(behind) == pytest.approx(1 / 3)
    assert pool.garbage_share(pool.rounds(random, (1.0,), seed=1, garbage=False)[0]) == 0
