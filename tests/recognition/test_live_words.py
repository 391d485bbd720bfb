"""Words as they are shown: spelt as heard, as sure as their least sure token, timed where they were aligned."""

import math

import pytest

from earmark.recognition.live_words import SaidWord, said_words
from earmark.speech.engine import Heard, TokenScore, Word


def heard(*pieces: tuple[str, float], words: tuple[Word, ...] = ()) -> Heard:
    """A text of those pieces, each with its probability."""
    tokens = tuple(TokenScore(1, text, math.log(probability), 0.0) for text, probability in pieces)
    return Heard("".join(text for text, _ in pieces).strip(), tokens, truncated=False, words=words)


def spelt(words: tuple[SaidWord, ...]) -> str:
    return "".join(word.before + word.text for word in words)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("turn the lights off.", ["turn", "the", "lights", "off."]),
        ("打开客厅的灯。", ["打", "开", "客", "厅", "的", "灯。"]),
        ("play 周杰伦 now，好", ["play", "周", "杰", "伦", "now，", "好"]),
        ("a好b", ["a", "好", "b"]),
        ("好（二）吗", ["好", "（二）", "吗"]),
        ("“好，”他", ["“好，”", "他"]),
        ("", []),
        ("  ", []),
    ],
)
def test_words_are_those_of_the_text_and_spell_it(text: str, wanted: list[str]) -> None:
    words = said_words(Heard(text, (), truncated=False))
    assert [word.text for word in words] == wanted
    assert spelt(words) == text.rstrip()


def test_a_word_is_as_sure_as_its_least_sure_token() -> None:
    words = said_words(heard((" tu", 0.9), ("rn", 0.5), (" it", 0.8)))
    assert [(word.text, round(word.probability or 0, 3)) for word in words] == [("turn", 0.5), ("it", 0.8)]


def test_a_token_without_text_counts_for_the_character_that_its_successor_ends() -> None:
    words = said_words(heard(("好", 0.9), ("", 0.2), ("灯", 0.95)))
    assert [round(word.probability or 0, 3) for word in words] == [0.9, 0.2]


def test_nothing_is_said_of_sureness_where_tokens_do_not_spell_the_text_or_have_no_score() -> None:
    other = Heard("lights", (TokenScore(1, "noise", -0.1, 0.0),), truncated=False)
    unscored = Heard("lights", (TokenScore(1, "lights", math.nan, math.nan),), truncated=False)
    assert [said_words(one)[0].probability for one in (other, unscored)] == [None, None]


def test_times_come_from_the_aligner_whatever_punctuation_and_case_it_leaves_out() -> None:
    aligned = (Word("call", 0.1, 0.4, 0.9), Word("Mum", 0.5, 0.8, 0.9), Word("好", 1.0, 1.2, 0.9))
    words = said_words(heard(("Call mum, 好。", 0.9), words=aligned))
    assert [(word.text, word.start, word.end) for word in words] == [
        ("Call", 0.1, 0.4),
        ("mum,", 0.5, 0.8),
        ("好。", 1.0, 1.2),
    ]


def test_a_word_the_aligner_passed_over_has_no_time() -> None:
    words = said_words(heard(("um yes", 0.9), words=(Word("yes", 0.5, 0.8, 0.9),)))
    assert [(word.start, word.end) for word in words] == [(None, None), (0.5, 0.8)]
