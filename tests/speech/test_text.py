"""Normalisation and units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.speech.text import normalise, units

LANGUAGES = st.sampled_from(["en", "zh", "yue", "mixed"])


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Turn ON, the “light”!", "en", "turn on the light"),
        ("Ｔｕｒｎ　ｏｎ　４２", "en", "turn on 42"),
        ("don’t 'quote' rock'n'roll '", "en", "don't quote rock'n'roll"),
        ("forty-two", "en", "forty two"),
        ("打开 灯，好！", "zh", "打开灯好"),
        ("播放 hello world 吧", "zh", "播放hello world吧"),
        ("大声 啲。", "yue", "大声啲"),
        ("Straße café", "en", "strasse café"),
        ("  \t\n", "en", ""),
    ],
)
def test_what_does_not_sound_is_made_equal(text: str, language: str, expected: str) -> None:
    assert normalise(text, language) == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("打开灯", "zh", ["打", "开", "灯"]),
        ("七点叫我 OK", "yue", ["七", "点", "叫", "我", "ok"]),
        ("打开wifi吧", "mixed", ["打", "开", "wifi", "吧"]),
        ("turn on the light", "en", ["turn", "on", "the", "light"]),
        ("𠮷", "zh", ["𠮷"]),
        ("...", "en", []),
    ],
)
def test_chinese_counts_characters_and_the_rest_words(text: str, language: str, expected: list[str]) -> None:
    assert units(text, language) == expected


@given(st.text(), LANGUAGES)
def test_normalising_twice_changes_nothing(text: str, language: str) -> None:
    once = normalise(text, language)
    assert normalise(once, language) == once


@given(st.text(), LANGUAGES)
def test_units_hold_no_space_and_lose_nothing(text: str, language: str) -> None:
    found = units(text, language)
    assert all(unit and not unit.isspace() and " " not in unit for unit in found)
    assert "".join(found) == normalise(text, language).replace(" ", "")
