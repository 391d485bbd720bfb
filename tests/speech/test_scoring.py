"""Error counts, rates and intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.speech import resampling
from earmark.speech.errors import EarmarkError
from earmark.speech.resampling import resampled_sums
from earmark.speech.scoring import (
    ErrorCounts,
    bootstrap_interval,
    count_errors,
    error_rate,
    paired_difference,
    standard_error,
)
from earmark.speech.text import units

WORDS = st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=8).map(" ".join)
HAN = st.text(alphabet="一二三四 ，", max_size=8)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "language", "expected"),
    [
        ("turn on the light", "turn the lights", "en", ErrorCounts(1, 0, 1, 4)),
        ("打开灯", "打开电灯", "zh", ErrorCounts(0, 1, 0, 3)),
        ("打开灯", "打开 灯。", "zh", ErrorCounts(0, 0, 0, 3)),
        ("Forty-Two", "forty two", "en", ErrorCounts(0, 0, 0, 2)),
        ("打开 wifi", "打开 WiFi 吧", "mixed", ErrorCounts(0, 1, 0, 3)),
        ("", "uh", "en", ErrorCounts(0, 1, 0, 0)),
        ("one two", "", "en", ErrorCounts(0, 0, 2, 2)),
        ("", "", "en", ErrorCounts(0, 0, 0, 0)),
    ],
)
def test_edits_are_counted_in_the_units_of_the_language(
    reference: str, hypothesis: str, language: str, expected: ErrorCounts
) -> None:
    assert count_errors(reference, hypothesis, language) == expected


@given(WORDS)
def test_a_text_has_no_errors_against_itself(text: str) -> None:
    assert count_errors(text, text, "en").errors == 0


@given(HAN, HAN)
def test_errors_are_at_least_the_difference_in_length_and_at_most_the_longer(a: str, b: str) -> None:
    counts = count_errors(a, b, "zh")
    long, short = sorted([len(units(a, "zh")), len(units(b, "zh"))], reverse=True)
    assert long - short <= counts.errors <= long
    assert counts.reference_units + counts.insertions - counts.deletions == len(units(b, "zh"))


@given(WORDS, WORDS)
def test_swapping_the_texts_swaps_insertions_and_deletions(a: str, b: str) -> None:
    there, back = count_errors(a, b, "en"), count_errors(b, a, "en")
    assert there.errors == back.errors
    assert there.insertions - there.deletions == back.deletions - back.insertions


def test_rates_are_pooled_not_averaged() -> None:
    assert error_rate([ErrorCounts(1, 0, 0, 1), ErrorCounts(0, 0, 0, 99)]) == pytest.approx(0.01)
    assert error_rate([]) == 0.0


def test_text_heard_in_silence_counts_as_an_error() -> None:
    assert count_errors("", "thanks for watching", "en").rate == 3.0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=20))
def test_the_interval_is_repeatable_ordered_and_within_what_was_seen(pairs: list[tuple[int, int]]) -> None:
    counts = [ErrorCounts(errors, 0, 0, total) for errors, total in pairs]
    low, high = bootstrap_interval(counts, seed=7, resamples=50)
    assert (low, high) == bootstrap_interval(counts, seed=7, resamples=50)
    rates = [count.rate for count in counts]
    assert min(rates) - 1e-9 <= low <= high <= max(rates) + 1e-9


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    import numpy as np

    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        counts = [ErrorCounts(int(e), 0, 0, 10) for e in rng.binomial(10, 0.2, size=60)]
        low, high = bootstrap_interval(counts, seed=trial, resamples=300)
        covered += low <= 0.2 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_standard_error_is_that_of_resampling_whole_clips() -> None:
    rng = np.random.default_rng(4)
    counts = [ErrorCounts(int(rng.binomial(n, 0.2)), 0, 0, n) for n in rng.integers(2, 30, 300).tolist()]
    resampled = [
        sum((counts[i] for i in rng.integers(0, len(counts), len(counts))), ErrorCounts(0, 0, 0, 0)).rate
        for _ in range(800)
    ]
    assert standard_error(counts) == pytest.approx(np.std(resampled), rel=0.15)
    assert standard_error(counts[:1]) == standard_error([]) == 0.0


def test_more_clips_make_the_interval_narrower() -> None:
    counts = [ErrorCounts(index % 3, 0, 0, 4) for index in range(30)]
    few, many = bootstrap_interval(counts, seed=1), bootstrap_interval(counts * 10, seed=1)
    assert many[1] - many[0] < few[1] - few[0]


def test_pairing_sees_a_small_gain_that_single_intervals_hide() -> None:
    before = [ErrorCounts(index % 8, 0, 0, 10) for index in range(80)]
    after = [ErrorCounts(max(0, index % 8 - 1), 0, 0, 10) for index in range(80)]
    found = paired_difference(before, after, seed=1)
    assert found.value == pytest.approx(error_rate(after) - error_rate(before))
    assert found.low <= found.value <= found.high < 0
    assert found.share_better == 1.0
    assert bootstrap_interval(before, seed=1)[0] < bootstrap_interval(after, seed=1)[1]


def test_no_change_is_no_difference() -> None:
    counts = [ErrorCounts(1, 0, 0, 4), ErrorCounts(0, 0, 0, 4)]
    found = paired_difference(counts, counts, seed=1)
    assert (found.value, found.low, found.high, found.share_better) == (0, 0, 0, 0)


def test_nothing_to_score_is_said_so() -> None:
    with pytest.raises(EarmarkError) as caught:
        bootstrap_interval([], seed=1)
    assert caught.value.error_id == "speech:scoring:empty"
    with pytest.raises(EarmarkError) as caught:
        paired_difference([ErrorCounts(0, 0, 0, 1)], [], seed=1)
    assert caught.value.error_id == "speech:scoring:unpaired"


def test_a_resample_draws_clips_as_drawing_them_one_by_one_does() -> None:
    rng = np.random.default_rng(6)
    units, errors = rng.integers(1, 4, 40), rng.integers(0, 2, 40)
    sums = resampled_sums([errors, units], resamples=20_000, seed=1)
    draws = rng.integers(0, 40, (20_000, 40))
    by_hand = np.stack([errors[draws].sum(1), units[draws].sum(1)], axis=1)
    assert np.allclose(sums.mean(0), by_hand.mean(0), rtol=0.01)
    assert np.allclose(np.cov(sums.T), np.cov(by_hand.T), rtol=0.1, atol=0.3)


def test_many_resamples_are_the_same_in_one_part_or_several(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [np.arange(50), np.arange(50) % 7]
    whole = resampled_sums(columns, resamples=30, seed=2)
    monkeypatch.setattr(resampling, "_MOST_NUMBERS_AT_ONCE", 150)
    assert np.array_equal(resampled_sums(columns, resamples=30, seed=2), whole)
