from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training_jobs.recipe.balance import balanced
from training_jobs.recipe.pseudo_labels import PseudoLabel


def _drawn(kinds: str, heard: dict[str, int], *, count: int, most_often: float = 3.0) -> list[PseudoLabel]:
    labels = [PseudoLabel(i, "a", 0.9) for i in range(len(kinds))]
    rng = np.random.default_rng(0)
    return balanced(labels, list(kinds), Counter(heard), count=count, most_often=most_often, rng=rng)


def test_kinds_come_as_often_as_they_were_heard():
    drawn = Counter(label.index for label in _drawn("a" * 80 + "b" * 20, {"a": 100, "b": 100}, count=60))
    rare = [drawn[i] for i in range(80, 100)]
    assert (sum(rare), sum(drawn.values())) == (30, 60)
    assert set(rare) == {1, 2}
    assert max(drawn[i] for i in range(80)) == 1


def test_a_kind_hardly_trusted_is_not_repeated_for_ever():
    drawn = Counter(label.index for label in _drawn("a" * 90 + "b" * 2, {"a": 100, "b": 100}, count=100))
    assert (drawn[90], drawn[91], sum(drawn.values())) == (3, 3, 56)


def test_nothing_trusted_gives_nothing():
    assert _drawn("", {"a": 5}, count=10) == []


@given(
    st.text("abc", max_size=60),
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 200)),
    st.integers(1, 300),
    st.floats(1, 4),
)
def test_no_label_comes_twice_before_all_of_its_kind_have_come_once(kinds, heard, count, most_often):
    drawn = Counter(label.index for label in _drawn(kinds, heard, count=count, most_often=most_often))
    for kind in set(kinds):
        times = [drawn[i] for i, one in enumerate(kinds) if one == kind]
        assert max(times) - min(times) <= 1
        assert sum(times) <= most_often * len(times) + 0.5
