"""A promotion is a win that chance does not explain, and no language or dialect pays for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.speech.errors import EarmarkError
from earmark.speech.scoring import ErrorCounts
from earmark.speech.slices import Traits
from earmark.speech.superiority import Pair, chance_of_harm, holm, honest_level, judge

UNITS = 10


def pair(before: int, after: int, *, dialect: str = "", speaker: str = "", language: str = "en") -> Pair:
    counts = [ErrorCounts(errors, 0, 0, UNITS) for errors in (before, after)]
    return Pair(*counts, Traits(language=language, dialect=dialect, speaker=speaker))


def clips(errors: list[tuple[int, int]], **traits: str) -> list[Pair]:
    return [pair(*one, **traits) for one in errors]


def demo(known: list[tuple[int, int]], *, halved: bool = True) -> list[Pair]:
    """400 clips in five dialects, two speakers each: two dialects known well, three hardly."""
    rng = np.random.default_rng(2)
    found = []
    for dialect in ("american", "mandarin", "scottish", "caribbean", "cantonese"):
        for index in range(80):
            is_known = dialect in ("american", "mandarin")
            before = int(rng.binomial(UNITS, 0.4))
            errors = (0, 0) if is_known else (before, before // 2 if halved else before)
            found.append(pair(*errors, dialect=dialect, speaker=f"{dialect}-{index % 2}"))
    return [pair(*known.pop(), dialect="mandarin", speaker="mandarin-0")
            if known and one.traits.dialect == "mandarin" else one for one in found]  # fmt: skip


def test_a_round_that_halves_the_error_is_promoted_though_a_known_dialect_has_three_new_mistakes() -> None:
    verdict = judge(demo([(0, 1), (0, 1), (0, 1)]), seed=1)
    assert verdict.promote
    assert verdict.high < -0.03
    assert (verdict.drawn, verdict.draws, verdict.clips) == ("speaker", 10, 400)
    mandarin = next(one for one in verdict.slices if one.name == "mandarin")
    assert mandarin.change > 0
    assert mandarin.chance == pytest.approx(1 / 8, abs=0.02)


def test_a_dialect_that_pays_for_the_rest_blocks() -> None:
    verdict = judge(demo([(0, 1)] * 16), seed=1)
    assert verdict.is_better
    assert [one.name for one in verdict.worse] == ["mandarin"]
    assert not verdict.promote


def test_what_chance_may_explain_is_not_better() -> None:
    same = judge(demo([], halved=False), seed=1)
    assert not same.is_better
    noise = [(1, 0), (0, 1), (1, 0), (2, 1), (0, 1), (1, 0)] * 5
    assert not judge(clips(noise), seed=1).is_better


def test_one_speaker_who_is_heard_better_is_no_reason() -> None:
    """Of many clips, all gains are one speaker's: drawn by clip it would be beyond doubt."""
    lucky = clips([(9, 0)] * 40, speaker="a")
    rest = [one for name in "bcdefghi" for one in clips([(1, 1)] * 40, speaker=name)]
    assert not judge([*lucky, *rest], seed=1).is_better
    assert judge(clips([(9, 0)] * 40 + [(1, 1)] * 320), seed=1).is_better


def test_a_slice_too_small_to_judge_is_shown_and_never_blocks() -> None:
    few = clips([(0, 5)] * 19, dialect="rare")
    verdict = judge([*few, *clips([(4, 1)] * 200, dialect="common")], seed=1)
    rare = next(one for one in verdict.slices if one.name == "rare")
    assert (rare.chance, rare.is_worse, rare.after) == (None, False, 0.5)
    assert verdict.promote


def test_the_same_clips_are_judged_once_under_two_names() -> None:
    both = [*clips([(4, 1)] * 30, language="yue", dialect="cantonese"), *clips([(4, 1)] * 30, language="en")]
    assert [(one.kind, one.name) for one in judge(both, seed=1).slices] == [
        ("language", "en"),
        ("language", "yue"),
    ]


def test_many_equal_slices_hardly_ever_block() -> None:
    """Of 200 pairs of equal models on twenty dialects, about ten at most may block."""
    rng = np.random.default_rng(7)
    blocked = 0
    for seed in range(200):
        slices = {name: clips(rng.binomial(UNITS, 0.2, size=(30, 2)).tolist()) for name in range(20)}
        chances = {
            name: chance_of_harm(some, seed=seed * 20 + name, resamples=1_000)
            for name, some in slices.items()
        }
        blocked += bool(holm(chances, level=0.05))
    assert blocked <= 18


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=30))
def test_a_chance_is_one_and_that_of_the_swapped_models_its_complement(errors: list[tuple[int, int]]) -> None:
    forth = chance_of_harm(clips(errors), seed=3, resamples=500)
    back = chance_of_harm(clips([(after, before) for before, after in errors]), seed=3, resamples=500)
    assert 0 < forth <= 1
    assert forth + back >= 0.85


def test_holm_stops_at_the_first_that_may_be_chance() -> None:
    assert holm({"a": 0.01, "b": 0.03, "c": 0.04, "d": 0.005}, level=0.05) == {"d", "a"}
    assert holm({}, level=0.05) == set()


def test_few_draws_need_a_wider_interval() -> None:
    assert honest_level(8) > honest_level(40) > honest_level(4_000) == pytest.approx(0.95, abs=1e-3)
    assert honest_level(8) == pytest.approx(0.9885, abs=1e-3)


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(EarmarkError, match="no clips"):
        judge([], seed=1)
