"""A slip is doubted where the champion was sure of something else and the audio is on its side."""

from collections.abc import Callable, Sequence

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from annotation import slips
from annotation.slips import Fit, HeardUnit, Kind, Slip, doubted, heard_units, places, too_fast
from earmark.speech.engine import Word
from earmark.speech.text import units
from earmark.speech.word_doubts import WordDoubt


def heard(text: str, *, sure: float = 0.95, language: str = "en") -> list[HeardUnit]:
    """Words of half a second each."""
    return [HeardUnit(unit, n / 2, n / 2 + 0.5, sure) for n, unit in enumerate(units(text, language))]


def fitting(said: str, *, wrong: float = 3.0) -> Callable[[Sequence[str]], list[Fit]]:
    """An aligner to which `said` fits, and nothing else."""
    return lambda texts: [Fit(0.5 if text == said else wrong, 1.5) for text in texts]


def found(text: str, said: str, model: str | None = None, *, sure: float = 0.95) -> list[Slip]:
    return doubted(text, heard(model or said, sure=sure), "en", fits=fitting(said), threshold=2.4)


def test_a_word_left_out_is_told_where_it_was_said() -> None:
    assert found("turn on please", "turn it on please") == [Slip(Kind.LEFT_OUT, 0.5, "it")]


def test_a_word_nobody_says_and_a_wrong_one_are_told() -> None:
    assert found("turn it on now", "turn it on") == [Slip(Kind.ADDED, 1.5, "now")]
    assert found("Turn it off!", "turn it on") == [Slip(Kind.WRONG, 1.0, "off")]


def test_who_corrects_the_champion_is_not_doubted() -> None:
    assert found("turn it off", "turn it off", "turn it on") == []


def test_a_champion_that_was_not_sure_doubts_nobody() -> None:
    assert found("turn it off", "turn it on", sure=0.5) == [Slip(Kind.MISMATCH, 1.5)]
    unsure = doubted(
        "turn it off", heard("turn it on", sure=0.5), "en", fits=fitting("", wrong=2.0), threshold=2.4
    )
    assert unsure == []


def test_another_text_altogether_is_told_once() -> None:
    said = " ".join(f"word{n} and" for n in range(12))
    text = said.replace("word", "other")
    assert found(text, said) == [Slip(Kind.MISMATCH, 1.5)]


def test_without_an_aligner_only_what_was_surely_heard_is_told() -> None:
    options = {"fits": None, "threshold": 0.0}
    assert doubted("turn on", heard("turn it on"), "en", **options) == [Slip(Kind.LEFT_OUT, 0.5, "it")]
    assert doubted("turn on", heard("turn it on", sure=0.5), "en", **options) == []
    assert doubted("turn it on now", heard("turn it on"), "en", **options) == []


def test_chinese_is_doubted_character_by_character() -> None:
    (slip,) = doubted("打灯", heard("打开灯", language="zh"), "zh", fits=fitting("打 开 灯"), threshold=2.4)
    assert slip == Slip(Kind.LEFT_OUT, 0.5, "开")


@pytest.mark.parametrize(("lead", "is_quick"), [(None, False), (0.8, True), (0.9, False), (60.0, False)])
def test_what_is_sent_before_it_can_be_heard_is_told(lead: float | None, is_quick: bool) -> None:
    assert bool(too_fast(lead, 2.0)) == is_quick


def test_units_need_both_times_and_probabilities() -> None:
    words = [Word("turn", 0.0, 0.4, 1.0), Word("on", 0.5, 0.9, 1.0)]
    told = heard_units([WordDoubt("Turn", -0.1, 0.0), WordDoubt("on", -0.2, 0.0)], words, "en")
    assert told
    assert [(one.unit, one.start) for one in told] == [("turn", 0.0), ("on", 0.5)]
    assert told[0].probability == pytest.approx(0.905, abs=1e-3)
    assert heard_units([WordDoubt("turn", -0.1, 0.0)], words, "en") is None


def test_every_kind_has_words_in_both_languages() -> None:
    for kind in Kind:
        told = Slip(kind, 3.2, "it").as_json()
        assert "3.2" in slips.message(told)
        with translation.override("zh-hans"):
            assert "3.2" in slips.message(told)
    assert slips.message(Slip(Kind.LEFT_OUT, 3.21, "it").as_json()) == "you may have left out “it” at 3.2 s"


WORDS = st.lists(st.sampled_from(["turn", "it", "on", "off"]), max_size=6).map(" ".join)


@given(WORDS, WORDS)
def test_undoing_every_place_one_by_one_leads_from_the_text_to_what_was_heard(text: str, model: str) -> None:
    said = heard(model)
    differing = places(text, said, "en")
    assert bool(differing) == (units(text, "en") != units(model, "en"))
    if differing:
        after = places(differing[0].undone, said, "en")
        assert len(after) <= len(differing)
    steps = text
    for _ in range(len(differing) + 8):
        left = places(steps, said, "en")
        if not left:
            break
        steps = left[0].undone
    assert units(steps, "en") == units(model, "en")
