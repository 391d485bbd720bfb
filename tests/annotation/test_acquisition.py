"""What the choice of clips promises, whatever the pool."""

import numpy as np
import pytest
from django.conf import settings as settings_of_django
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation import acquisition
from annotation.acquisition import (
    DEFAULT_STRATEGY,
    STRATEGIES,
    Pool,
    choose,
    earmark,
    errors_per_second,
    find_strategy,
    least_confidence,
    random,
    read_by,
)
from annotation.acquisition.expected_errors import SPEAKER_SHARES, relative_pace
from earmark.speech.errors import EarmarkError
from tests.annotation.pools import make_pool

SLACK = 1e-6
ALL = [getattr(acquisition, path.rpartition(".")[2]) for path in STRATEGIES]

pools = st.builds(make_pool, st.integers(0, 120), st.integers(0, 2**32 - 1))
budgets = st.floats(0.01, 400.0)
shares = st.floats(0.0, 1.0)
seeds = st.integers(0, 2**31)
strategies = st.sampled_from(ALL)


@given(pools, budgets, shares, seeds, strategies)
@settings(max_examples=150, deadline=None)
def test_a_choice_stays_in_its_budget_and_takes_no_clip_twice(pool, budget, share, seed, strategy) -> None:
    picks = choose(pool, strategy=strategy, budget_seconds=budget, audit_share=share, seed=seed)
    assert pool.seconds[picks.index].sum() <= budget + SLACK
    assert len(set(picks.index)) == len(picks)
    assert np.all(np.diff(picks.score) <= 0), "asked first: the highest score"


@given(pools, budgets, shares, seeds, strategies)
@settings(max_examples=80, deadline=None)
def test_the_same_seed_chooses_the_same_clips(pool, budget, share, seed, strategy) -> None:
    arguments = {"strategy": strategy, "budget_seconds": budget, "audit_share": share, "seed": seed}
    first, second = choose(pool, **arguments), choose(pool, **arguments)
    assert np.array_equal(first.index, second.index)
    assert np.array_equal(first.is_audit, second.is_audit)


@given(pools, budgets, shares, seeds, st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_the_audit_does_not_look_at_what_was_heard(pool, budget, share, seed, other) -> None:
    changed = make_pool(len(pool), other, seconds=pool.seconds)
    audits = [
        set(picks.index[picks.is_audit])
        for picks in (
            choose(pool, strategy=earmark, budget_seconds=budget, audit_share=share, seed=seed),
            choose(changed, strategy=random, budget_seconds=budget, audit_share=share, seed=seed),
        )
    ]
    assert audits[0] == audits[1]


def test_every_clip_is_as_likely_to_be_audited() -> None:
    pool = make_pool(50, seconds=np.full(50, 2.0))
    drawn = np.zeros(50)
    for seed in range(800):
        picks = choose(pool, strategy=random, budget_seconds=40.0, audit_share=0.5, seed=seed)
        assert picks.is_audit.sum() == 10
        drawn[picks.index[picks.is_audit]] += 1
    expected = 800 * 10 / 50
    assert np.all(np.abs(drawn - expected) < 5 * np.sqrt(expected)), "five standard deviations"


def test_the_audit_prefers_neither_short_nor_long_clips() -> None:
    seconds = np.where(np.arange(200) % 2, 1.0, 9.0)
    pool = make_pool(200, seconds=seconds)
    audits = [
        seconds[picks.index[picks.is_audit]]
        for picks in (
            choose(pool, strategy=random, budget_seconds=200.0, audit_share=0.2, seed=seed)
            for seed in range(400)
        )
    ]
    assert np.concatenate(audits).mean() == pytest.approx(seconds.mean(), abs=0.35)
    assert np.mean([each.sum() for each in audits]) == pytest.approx(40.0, abs=1.0)


@pytest.mark.parametrize("strategy", ALL, ids=lambda one: one.__name__)
def test_the_budget_is_spent(strategy) -> None:
    pool = make_pool(500)
    picks = choose(pool, strategy=strategy, budget_seconds=300.0, audit_share=0.1, seed=1)
    assert pool.seconds[picks.index].sum() > 299.0


def test_what_a_strategy_weighed_stands_beside_what_it_chose_and_not_beside_the_audit() -> None:
    pool = make_pool(200)
    picks = choose(pool, strategy=least_confidence, budget_seconds=100.0, audit_share=0.3, seed=1)
    for index, is_audit, why in zip(picks.index, picks.is_audit, picks.why, strict=True):
        assert why == ({} if is_audit else {"doubt": round(1 - pool.confidence[index], 4)})


def test_a_strategy_may_return_bare_scores() -> None:
    pool = make_pool(50)
    picks = choose(
        pool, strategy=lambda pool, left, rng: -pool.seconds, budget_seconds=9.0, audit_share=0.0, seed=1
    )
    assert list(picks.index) == list(np.argsort(pool.seconds)[: len(picks)])
    assert picks.why == [{}] * len(picks)


def test_only_strategies_that_say_so_read_more_of_the_pool() -> None:
    assert {one.__name__ for one in ALL if "embeddings" in read_by(one)} == {
        "earmark", "k_centre", "k_means", "typiclust",
    }  # fmt: skip
    assert {one.__name__ for one in ALL if "features" in read_by(one)} == {"entropy", "weakest_word"}


def uniform(n: int, **columns: object) -> Pool:
    same = {
        "seconds": np.full(n, 2.0),
        "confidence": np.full(n, 0.5),
        "characters": np.full(n, 10),
        "language": np.zeros(n, dtype=int),
        "speaker": np.full(n, -1),
        "flags": {},
    }
    return make_pool(n, **(same | columns))


def scores(pool: Pool, budget: float = 1000.0) -> np.ndarray:
    return errors_per_second(pool, budget, np.random.default_rng(0)).score


def test_the_least_confident_come_first() -> None:
    confidence = np.linspace(0.1, 0.9, 20)
    assert np.all(np.diff(scores(uniform(20, confidence=confidence))) < 0)


def test_a_second_of_fast_speech_is_worth_more_but_not_without_bound() -> None:
    found = scores(uniform(5, characters=np.array([1, 10, 12, 30, 3000])))
    assert found[0] < found[1] < found[2] < found[3] == found[4]


def test_languages_are_compared_by_their_own_pace() -> None:
    words_and_characters = uniform(
        8, characters=np.array([40] * 4 + [8] * 4), language=np.array([0] * 4 + [1] * 4)
    )
    assert np.allclose(relative_pace(words_and_characters), 1.0)


def test_the_length_of_a_loop_says_nothing() -> None:
    pool = uniform(3, characters=np.array([10, 10, 500]), flags={"loop": np.array([False, False, True])})
    assert relative_pace(pool)[2] == 1.0


def test_silence_is_asked_last_among_the_unsure_and_a_loop_is_not_punished() -> None:
    at = np.eye(4, dtype=bool)
    pool = uniform(4, confidence=np.full(4, 0.1), flags={"silence": at[0], "empty": at[1], "loop": at[2]})
    found = scores(pool)
    assert found[0] < found[1] < found[2] == found[3]


def test_no_speaker_takes_more_than_a_few_shares_while_there_are_others() -> None:
    speaker = np.repeat(np.arange(10), 20)
    confidence = np.where(speaker == 0, 0.1, 0.6)
    pool = uniform(200, speaker=speaker, confidence=confidence)
    picks = choose(pool, strategy=errors_per_second, budget_seconds=80.0, audit_share=0.0, seed=0)
    per_speaker = np.bincount(speaker[picks.index], minlength=10) * 2.0
    assert per_speaker[0] == SPEAKER_SHARES * 80.0 / 10
    assert per_speaker.sum() == 80.0


def test_a_lone_speaker_gets_the_whole_budget() -> None:
    pool = uniform(50, speaker=np.zeros(50, dtype=int))
    picks = choose(pool, strategy=errors_per_second, budget_seconds=60.0, audit_share=0.1, seed=0)
    assert len(picks) == 30


def test_strategies_are_found_by_path_and_only_those_allowed() -> None:
    assert find_strategy(DEFAULT_STRATEGY, STRATEGIES) is earmark
    assert list(settings_of_django.ACQUISITION_STRATEGIES) == list(STRATEGIES)
    for path in ("os.system", "annotation.acquisition.nothing"):
        with pytest.raises(EarmarkError) as caught:
            find_strategy(path, STRATEGIES)
        assert caught.value.error_id == "annotation:strategy:unknown"
        assert path in str(caught.value)
    with pytest.raises(EarmarkError, match="ACQUISITION_STRATEGIES"):
        find_strategy("annotation.acquisition.nothing", ["annotation.acquisition.nothing"])
