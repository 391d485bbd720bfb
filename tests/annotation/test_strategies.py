"""What each strategy looks for, and what earmark refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.acquisition import (
    Answered,
    KeptVectors,
    Pool,
    choose,
    earmark,
    entropy,
    k_centre,
    k_means,
    least_confidence,
    typiclust,
    weakest_word,
)
from annotation.acquisition.expected_errors import expected_errors
from annotation.acquisition.gating import misplaced, refused_alike
from annotation.acquisition.spreading import CLUSTER_SHARES, SPEAKER_SHARES, Shortlist, spread_over
from annotation.acquisition.vectors import k_means as clusters
from annotation.acquisition.vectors import nearest_similarity, seeds, unit, whitened
from tests.annotation.pools import clouds, make_pool


def a_pool(vectors: np.ndarray, **columns: object) -> Pool:
    """Clips of two seconds that nothing tells apart but what `columns` and `vectors` say."""
    n = len(vectors)
    same: dict[str, object] = {
        "seconds": np.full(n, 2.0),
        "confidence": np.full(n, 0.3),
        "characters": np.full(n, 10),
        "language": np.zeros(n, dtype=int),
        "speaker": np.full(n, -1),
        "flags": {},
        "embeddings": KeptVectors(vectors),
    }
    return make_pool(n, **(same | columns))


def picked(pool: Pool, strategy, budget: float, *, audit: float = 0.0, seed: int = 0) -> np.ndarray:
    picks = choose(pool, strategy=strategy, budget_seconds=budget, audit_share=audit, seed=seed)
    return picks.index[~picks.is_audit]


def test_doubts_rank_clips_by_what_they_name() -> None:
    features = {
        "mean_entropy": np.array([0.1, 2.0, 0.5, np.nan]),
        "min_word_logprob": np.array([-3.0, -0.1, np.nan, -0.5]),
    }
    pool = a_pool(clouds([4]), features=features, confidence=np.array([0.4, 0.2, 0.9, 0.6]))
    assert list(picked(pool, entropy, 8.0)[:3]) == [1, 2, 0]
    assert list(picked(pool, weakest_word, 8.0)[:3]) == [0, 3, 1]
    assert list(picked(pool, least_confidence, 8.0)) == [1, 0, 3, 2]
    rng = np.random.default_rng(0)
    assert weakest_word(pool, 8.0, rng).score[0] == pytest.approx(1 - np.exp(-3.0))


def test_k_centre_visits_every_corner_before_it_comes_again() -> None:
    of = np.repeat(np.arange(6), [200, 40, 5, 5, 5, 5])
    chosen = picked(a_pool(clouds([200, 40, 5, 5, 5, 5], width=0.01)), k_centre, 12.0)
    assert sorted(of[chosen]) == [0, 1, 2, 3, 4, 5]


def test_k_centre_keeps_away_from_what_is_answered() -> None:
    vectors = clouds([30, 30, 30])
    answered = Answered(vectors[:5], np.zeros(5, bool))
    chosen = picked(a_pool(vectors, answered=answered), k_centre, 4.0)
    assert set(chosen // 30) == {1, 2}


def test_k_means_takes_more_where_there_is_more() -> None:
    of = np.repeat(np.arange(3), [300, 100, 10])
    pool = a_pool(clouds([300, 100, 10], width=1.0))
    counts = np.bincount(
        np.concatenate([of[picked(pool, k_means, 40.0, seed=seed)] for seed in range(5)]), minlength=3
    )
    assert counts[0] > counts[1] > counts[2]


def test_typiclust_takes_the_middle_of_the_largest_clusters() -> None:
    vectors = clouds([100, 60, 5])
    chosen = picked(a_pool(vectors), typiclust, 4.0)
    of = np.repeat(np.arange(3), [100, 60, 5])
    assert sorted(of[chosen]) == [0, 1]
    for one in chosen:
        own = vectors[of == of[one]]
        distance = np.linalg.norm(own - own.mean(axis=0), axis=1)
        assert np.linalg.norm(vectors[one] - own.mean(axis=0)) < np.median(distance)


def test_earmark_spends_on_errors_and_in_proportion_to_each_kind_of_them() -> None:
    counts = [400, 60, 30, 30]
    of = np.repeat(np.arange(4), counts)
    pool = a_pool(clouds(counts), confidence=np.where(of == 0, 0.98, 0.2))
    chosen = np.bincount(of[picked(pool, earmark, 48.0)], minlength=4)
    assert chosen[0] <= 2
    assert chosen[1] == pytest.approx(12, abs=4)
    assert min(chosen[2:]) >= 3


@given(st.integers(0, 2**31), st.floats(2.0, 80.0))
@settings(max_examples=30, deadline=None)
def test_earmark_takes_no_garbage_it_can_know_of(seed: int, budget: float) -> None:
    at = np.arange(90)
    flags = {"silence": at % 9 == 0, "no_speech": at % 9 == 1}
    pool = a_pool(clouds([30, 30, 30]), flags=flags)
    assert not (set(picked(pool, earmark, budget, seed=seed) % 9) & {0, 1})


def test_earmark_asks_no_more_of_what_people_refused() -> None:
    counts = [60, 60, 20]
    vectors, of = clouds(counts), np.repeat(np.arange(3), counts)
    pool = a_pool(vectors)
    assert 2 in of[picked(pool, earmark, 40.0)]
    said = np.array([0, 1, 60, 61, 120, 121, 122])
    answered = Answered(vectors[said], np.array([0, 0, 0, 0, 1, 1, 1], bool))
    rest = np.setdiff1d(np.arange(140), said)
    left = a_pool(vectors[rest], answered=answered)
    chosen = picked(left, earmark, 40.0)
    assert len(chosen) == 20
    assert 2 not in of[rest][chosen]


def test_speech_that_sounds_like_no_stated_language_is_refused() -> None:
    vectors = unit(clouds([80, 80, 24], width=0.1))
    of = np.repeat(np.arange(3), [80, 80, 24])
    stated = np.where(of == 2, np.arange(184) % 2, of)
    found = misplaced(vectors, stated, vectors, stated, itself=np.arange(184))
    assert found[of < 2].max() < 0.2
    assert np.median(found[of == 2]) == pytest.approx(0.5, abs=0.15)
    one = misplaced(vectors, np.zeros(184, int), vectors, np.zeros(184, int), itself=np.arange(184))
    assert not one.any(), "of one language nothing can be said"


def test_a_refusal_is_believed_of_what_is_near_it_and_less_where_others_answered() -> None:
    vectors = unit(clouds([10, 10]))
    assert refused_alike(vectors, vectors[:0], np.zeros(0, bool)).max() == 0
    among_answers = refused_alike(vectors[4:], vectors[:4], np.array([1, 0, 0, 0], bool))
    always = refused_alike(vectors[4:], vectors[:4], np.ones(4, bool))
    assert among_answers[:6].max() < always[:6].min()
    assert always[:6].min() > 0.9 > 0.5 > always[6:].max()


def test_earmark_takes_a_sound_only_once() -> None:
    vectors = clouds([12, 12, 12, 12], width=1.0)
    pool = a_pool(np.concatenate([vectors, vectors]))
    chosen = picked(pool, earmark, 60.0)
    assert len(set(chosen % 48)) == len(chosen) == 30


def test_earmark_says_why() -> None:
    pool = make_pool(200, flags={}, language=np.zeros(200, dtype=int))
    picks = choose(pool, strategy=earmark, budget_seconds=100.0, audit_share=0.1, seed=3)
    errors = expected_errors(pool)
    strategic = [
        (index, why)
        for index, why, audit in zip(picks.index, picks.why, picks.is_audit, strict=True)
        if not audit
    ]
    for index, why in strategic:
        assert why["expected_errors"] == pytest.approx(errors[index], abs=1e-4)
    for _, why in strategic[:8]:
        assert {"rank", "cluster", "clips_alike", "refusal", "nearest", "over_cap"} <= why.keys()


shortlists = st.integers(1, 200).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, 2**31), st.floats(1.0, 300.0))
)


@given(shortlists)
@settings(max_examples=100, deadline=None)
def test_caps_hold_while_others_are_left(drawn) -> None:
    n, seed, budget = drawn
    rng = np.random.default_rng(seed)
    shortlist = Shortlist(
        seconds=rng.uniform(0.5, 10.0, n),
        speaker=rng.integers(-1, 5, n),
        worth=rng.choice([0.0, 0.2, 0.5], n),
        vectors=unit(rng.standard_normal((n, 8)).astype(np.float32)),
        cluster=rng.integers(0, 4, n),
        near=np.full(n, -1.0),
    )
    found = spread_over(shortlist, budget)
    assert len(set(found.index)) == len(found.index)
    assert shortlist.seconds[found.index].sum() <= budget + 1e-6
    assert (shortlist.worth[found.index] > 0).all()
    within = found.index[~found.over_cap]
    known = np.unique(shortlist.speaker[shortlist.speaker >= 0])
    for speaker in known:
        own = shortlist.seconds[within[shortlist.speaker[within] == speaker]]
        assert own.sum() <= SPEAKER_SHARES * budget / len(known) + own.max(initial=0)
    filled = len(np.unique(shortlist.cluster[shortlist.worth > 0]))
    for cluster in range(4):
        own = shortlist.seconds[within[shortlist.cluster[within] == cluster]]
        assert own.sum() <= CLUSTER_SHARES / max(1, filled) * budget + own.max(initial=0)


def test_whitened_directions_count_alike_and_nothing_is_like_nothing() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((500, 8)) * np.array([100, 10, 5, 1, 1, 1, 1, 1]) + 7).astype(np.float32)
    vectors[3] = 0
    found = whitened(vectors, rng)
    assert not found[3].any()
    assert np.linalg.norm(np.delete(found, 3, axis=0), axis=1) == pytest.approx(np.ones(499), abs=1e-4)
    spread = np.delete(found, 3, axis=0).std(axis=0)
    assert spread.max() < 1.5 * spread.min()
    assert whitened(vectors[:0], rng).shape[0] == 0
    assert not whitened(np.ones((5, 4), np.float32), rng).any()


def test_clusters_are_found_and_seeds_differ() -> None:
    vectors = unit(clouds([40, 40, 40], width=0.05))
    rng = np.random.default_rng(1)
    found = clusters(vectors, 3, rng)
    assert all(len(set(found[start : start + 40])) == 1 for start in (0, 40, 80))
    assert len(set(found)) == 3
    assert len(set(seeds(vectors, 30, rng))) == 30
    assert len(seeds(np.ones((9, 2), np.float32) / np.float32(np.sqrt(2)), 5, rng)) == 1
    assert nearest_similarity(vectors[:1], vectors[:0])[0] == -1
    assert nearest_similarity(vectors[:2], vectors[:2]) == pytest.approx([1.0, 1.0], abs=1e-5)
