"""Texts side by side, and the mistakes that come again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.speech.aligned import Confusion, Edit, Pair, align, confusions
from earmark.speech.scoring import ErrorCounts, count_errors
from earmark.speech.text import Normalisation, units

TEXTS = st.lists(st.sampled_from(["one", "two", "three", "灯", "开"]), max_size=8).map(" ".join)


def test_units_stand_beside_what_was_heard() -> None:
    assert align("Turn ON the light", "turn the night", "en") == (
        Pair(Edit.SAME, "turn", "turn"),
        Pair(Edit.DELETED, "on", ""),
        Pair(Edit.SAME, "the", "the"),
        Pair(Edit.SUBSTITUTED, "light", "night"),
    )
    assert align("", "uh", "en") == (Pair(Edit.INSERTED, "", "uh"),)
    assert align("开灯", "", "zh") == (Pair(Edit.DELETED, "开", ""), Pair(Edit.DELETED, "灯", ""))


@given(TEXTS, TEXTS)
def test_both_texts_are_whole_and_the_edits_are_those_that_are_counted(a: str, b: str) -> None:
    pairs = align(a, b, "mixed")
    assert [pair.reference for pair in pairs if pair.reference] == units(a, "mixed")
    assert [pair.heard for pair in pairs if pair.heard] == units(b, "mixed")
    edits = [pair.edit for pair in pairs]
    counted = ErrorCounts(
        edits.count(Edit.SUBSTITUTED),
        edits.count(Edit.INSERTED),
        edits.count(Edit.DELETED),
        len(units(a, "mixed")),
    )
    assert counted == count_errors(a, b, "mixed")


def test_the_most_frequent_mistakes_come_first() -> None:
    pairs = [
        *align("the cat the cat", "the hat the hat", "en"),
        *align("a dog", "dog", "en"),
        *align("dog", "dog uh", "en"),
    ]
    assert confusions(pairs, most=2) == [Confusion("cat", "hat", 2), Confusion("", "uh", 1)]
    assert confusions(pairs, most=9)[2] == Confusion("a", "", 1)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "language"),
    [("二十三", "23", "zh"), ("twenty three", "23", "en"), ("開燈", "开灯", "yue")],
)
def test_what_is_made_alike_is_no_error(reference: str, hypothesis: str, language: str) -> None:
    alike = Normalisation(digits=True, simplified=True)
    assert count_errors(reference, hypothesis, language).errors > 0
    assert count_errors(reference, hypothesis, language, alike).errors == 0
    assert all(pair.edit == Edit.SAME for pair in align(reference, hypothesis, language, alike))
