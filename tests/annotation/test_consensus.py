"""Several people's texts become one, or nothing where they are too unlike."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.consensus import NOTHING, agreed, aligned, forced
from earmark.speech.text import units


def text_of(*texts: str, language: str = "en", weights: list[float] | None = None) -> str | None:
    found = agreed(texts, language, weights=weights)
    return found.text if found else None


def test_one_text_is_its_own_consensus() -> None:
    found = agreed(["Turn it on."], "en")
    assert found
    assert (found.text, found.is_exact, found.agreement) == ("Turn it on.", True, 1.0)
    with pytest.raises(ValueError, match="no texts"):
        agreed([], "en")


def test_texts_alike_once_normalised_are_written_as_most_write_them() -> None:
    found = agreed(["turn it on", "Turn it on.", "Turn it on."], "en")
    assert found
    assert (found.text, found.is_exact) == ("Turn it on.", True)
    assert text_of("好，打开", "好打开", "好，打开", language="zh") == "好，打开"


def test_two_of_three_are_right_in_every_place_though_none_is_right_throughout() -> None:
    found = agreed(["turn the light on", "turn a light on please", "burn the light on please"], "en")
    assert found
    assert found.text == "turn the light on please"
    assert not found.is_exact
    assert found.weakest == pytest.approx(2 / 3)
    assert text_of("打开厨房灯", "打该厨房的灯", "大开厨房的灯", language="zh") == "打开厨房的灯"
    assert text_of("打开 tv 吧", "打开tv把呀", "打该tv吧呀", language="zh") == "打开tv吧呀"
    assert text_of("打开 tv 吧", "打开 tv 把", "打该 tv 吧", language="zh") == "打开 tv 吧"


def test_a_majority_keeps_its_punctuation() -> None:
    assert text_of("Turn it on.", "Turn it on.", "turn it off") == "Turn it on."


def test_a_word_that_is_misspelt_stands_beside_the_right_one() -> None:
    columns = aligned(["turn the light on", "turn lihgt on", "turn the light on"], "en")
    assert ("light", "lihgt", "light") in columns
    assert ("the", NOTHING, "the") in columns


@pytest.mark.parametrize(
    "texts",
    [("turn it on", "turn it off"), ("yes", "no", "maybe"), ("", "hello there"), ("a b c", "a x c", "a y c")],
)
def test_unlike_texts_are_left_to_somebody_who_listens(texts: tuple[str, ...]) -> None:
    assert agreed(texts, "en") is None
    assert forced(texts, "en") is not None


def test_trusted_people_outvote_others_but_nobody_does_alone() -> None:
    texts = ["turn it on", "turn it off", "turn it off", "turn it on"]
    assert text_of(*texts, weights=[3.0, 1.0, 1.0, 3.0]) == "turn it on"
    assert text_of(*texts, weights=[1.0, 3.0, 3.0, 1.0]) == "turn it off"
    assert text_of(*texts) is None
    assert text_of("on", "off", weights=[9.0, 1.0]) is None


WORDS = st.lists(st.sampled_from(["turn", "it", "on", "off", "打", "开"]), max_size=5).map(" ".join)
TEXTS = st.lists(WORDS, min_size=1, max_size=4)


@given(WORDS, st.integers(1, 5), st.sampled_from(["en", "zh"]))
def test_the_consensus_of_identical_texts_is_the_text(text: str, people: int, language: str) -> None:
    found = agreed([text] * people, language)
    assert found
    assert found.text == text
    assert found.agreement == 1.0


@given(TEXTS, st.sampled_from(["en", "zh"]), st.randoms())
def test_the_order_of_people_does_not_matter(texts: list[str], language: str, random: Any) -> None:
    order = random.sample(range(len(texts)), len(texts))
    weights = [1.0 + place / 7 for place in range(len(texts))]
    shuffled = [texts[place] for place in order]
    voted = agreed(texts, language, weights=weights)
    assert agreed(shuffled, language, weights=[weights[place] for place in order]) == voted
    moved = [tuple(column[place] for place in order) for column in aligned(texts, language)]
    assert aligned(shuffled, language) == moved


@given(TEXTS, st.sampled_from(["en", "zh"]))
def test_an_alignment_holds_every_text_whole(texts: list[str], language: str) -> None:
    columns = aligned(texts, language)
    for place, text in enumerate(texts):
        assert [column[place] for column in columns if column[place]] == units(text, language)
    assert all(any(column) for column in columns)


@given(st.lists(WORDS, min_size=3, max_size=3), st.sampled_from(["en", "zh"]))
def test_a_consensus_says_in_every_place_what_two_people_say(texts: list[str], language: str) -> None:
    found = agreed(texts, language)
    if found is None:
        return
    said = [slot.unit for slot in found.slots if slot.unit]
    assert units(found.text, language) == said
    assert all(slot.agreement > 0.5 for slot in found.slots)
