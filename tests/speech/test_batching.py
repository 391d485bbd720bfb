"""Batches of similar length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.speech.batching import length_sorted_batches, length_sorted_groups
from earmark.speech.errors import EarmarkError

SECONDS = st.lists(st.floats(0.1, 30.0), max_size=60)


@given(SECONDS, st.floats(1.0, 120.0))
def test_every_clip_is_in_one_batch_and_no_batch_is_too_big(seconds: list[float], most: float) -> None:
    batches = length_sorted_batches(seconds, most)
    assert sorted(index for batch in batches for index in batch) == list(range(len(seconds)))
    for batch in batches:
        padded = max(seconds[index] for index in batch) * len(batch)
        assert len(batch) == 1 or padded <= most + 1e-6


@given(SECONDS)
def test_the_longest_come_first(seconds: list[float]) -> None:
    order = [seconds[index] for batch in length_sorted_batches(seconds, 60) for index in batch]
    assert order == sorted(order, reverse=True)


def test_equal_lengths_keep_their_order() -> None:
    assert length_sorted_batches([1.0] * 5, 2.0) == [[0, 1], [2, 3], [4]]


def test_a_clip_over_the_limit_is_alone() -> None:
    assert length_sorted_batches([1.0, 20.0, 1.0], 10.0) == [[1], [0, 2]]


@pytest.mark.parametrize("most", [0.0, -1.0, float("nan")])
def test_a_batch_of_nothing_is_refused(most: float) -> None:
    with pytest.raises(EarmarkError) as caught:
        length_sorted_batches([1.0], most)
    assert caught.value.error_id == "speech:batching:size"


def test_groups_are_neighbours_in_length_longest_first() -> None:
    assert length_sorted_groups([3, 9, 4, 9, 1], 2) == [[1, 3], [2, 0], [4]]
    assert length_sorted_groups([], 4) == []
