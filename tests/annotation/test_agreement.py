"""Agreement of texts and of choices, against the figures of the literature."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import Overlapped, agreement_of, choice_alphas, nominal_alpha, pairwise

# Krippendorff 2011, section C: four observers, twelve units, missing values; nominal alpha .743
A = [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None]
B = [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3]
C = [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None]
D = [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None]


def test_alpha_is_that_of_the_worked_example() -> None:
    things = [[value for value in column if value is not None] for column in zip(A, B, C, D, strict=True)]
    assert nominal_alpha(things) == pytest.approx(0.743, abs=5e-4)


def test_two_observers_of_binary_data() -> None:
    # the same paper, section A: ten units, two observers, alpha .095
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert nominal_alpha([list(pair) for pair in zip(first, second, strict=True)]) == pytest.approx(
        0.095, abs=5e-4
    )


VALUES = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), min_size=1, max_size=12)


@given(VALUES, st.randoms())
def test_alpha_is_at_most_one_whatever_the_order(things: list[list[str]], random: Any) -> None:
    found = nominal_alpha(things)
    assert found is None or found <= 1 + 1e-12
    shuffled = [random.sample(thing, len(thing)) for thing in random.sample(things, len(things))]
    assert nominal_alpha(shuffled) == (None if found is None else pytest.approx(found))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(2, 4)), min_size=2, max_size=12))
def test_alpha_of_perfect_agreement_is_one(things: list[tuple[str, int]]) -> None:
    found = nominal_alpha([[value] * people for value, people in things])
    assert found == (1.0 if len({value for value, _ in things}) > 1 else None)


def test_each_choice_has_an_alpha_of_its_own() -> None:
    noisy, clear = frozenset({"noisy"}), frozenset({"clear"})
    answers = [[noisy, noisy], [clear, clear], [noisy | clear, clear]]
    found = choice_alphas(answers, ["noisy", "clear", "silence"])
    assert found["clear"] == 1.0
    assert found["noisy"] is not None
    assert 0 < found["noisy"] < 1
    assert found["silence"] is None


def overlapped(*texts: dict[str, str], language: str = "en") -> list[Overlapped]:
    return [Overlapped(number, language, one) for number, one in enumerate(texts)]


def test_pairs_share_their_own_clips_and_count_units_of_the_language() -> None:
    clips = overlapped(
        {"anna": "turn it on", "bo": "Turn it off!"},
        {"anna": "yes", "bo": "yes", "cy": "oh yes"},
        {"cy": "alone"},
    )
    pairs = {(one.first, one.second): one for one in pairwise(clips, seed=1)}
    assert set(pairs) == {("anna", "bo"), ("anna", "cy"), ("bo", "cy")}
    both = pairs["anna", "bo"]
    assert (both.clips, both.edits, both.units, both.rate) == (2, 1, 4.0, 0.25)
    assert both.low <= both.rate <= both.high
    assert pairs["anna", "cy"].rate == pytest.approx(1 / 1.5)
    assert agreement_of("anna", pairs.values()) == pytest.approx(1 - 2 / 5.5)
    assert agreement_of("dee", pairs.values()) is None
    (chinese,) = pairwise(overlapped({"a": "打开灯", "b": "打开门"}, language="zh"), seed=1)
    assert chinese.rate == pytest.approx(1 / 3)


@given(st.lists(st.text("ab ", max_size=8), min_size=2, max_size=4))
def test_identical_texts_agree_fully_and_naming_does_not_matter(texts: list[str]) -> None:
    same = pairwise(overlapped({str(n): texts[0] for n in range(3)}), seed=1)
    assert {one.rate for one in same} == {0.0}
    forth = pairwise(overlapped({"a": texts[0], "b": texts[1]}), seed=1)
    back = pairwise(overlapped({"a": texts[1], "b": texts[0]}), seed=1)
    assert (forth[0].edits, forth[0].rate) == (back[0].edits, back[0].rate)
