"""Normalisation and units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.speech.numerals import chinese_numbers
from earmark.speech.text import Normalisation, normalise, units

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


SIGNS = st.text(alphabet="一二三四五六七八九十百千万亿零〇两点分之開灯萬 0123456789.,%$-'abé", max_size=24)
NUMBERS = "oh one two twenty five hundred thousand and a half point 5 3.5 first percent % dollars the"
SPOKEN = SIGNS | st.lists(st.sampled_from(NUMBERS.split())).map(" ".join)
OPTIONS = st.builds(Normalisation, digits=st.booleans(), simplified=st.booleans())


@given(SPOKEN, LANGUAGES, OPTIONS)
def test_what_is_made_alike_stays_so(text: str, language: str, options: Normalisation) -> None:
    once = normalise(text, language, options)
    assert normalise(once, language, options) == once


@given(st.integers(0, 10**12 - 1))
def test_every_number_read_out_in_chinese_comes_back(number: int) -> None:
    assert chinese_numbers(read_out(number)) == str(number)


def read_out(number: int) -> str:
    """The number as Chinese reads it, all places named: 10,500 is 一万零五百."""
    if number < 10:
        return "零一二三四五六七八九"[number]
    size, sign = next(
        (10**n, s) for n, s in ((8, "亿"), (4, "万"), (3, "千"), (2, "百"), (1, "十")) if number >= 10**n
    )
    many, rest = divmod(number, size)
    gap = "零" if rest and rest < size // 10 else ""
    return read_out(many) + sign + gap + (read_out(rest) if rest else "")


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("我有二十三个", "zh", "我有23个"),
        ("十五", "zh", "15"),
        ("二零二六年", "zh", "2026年"),
        ("三千六", "zh", "3600"),
        ("一万二", "zh", "12000"),
        ("3万5千", "zh", "35000"),
        ("三点五", "zh", "3点5"),
        ("3.5", "zh", "3点5"),
        ("百分之三十", "zh", "百分之30"),
        ("30%", "zh", "百分之30"),
        ("1,234,567", "zh", "1234567"),
        ("万一千万别去", "zh", "万一千万别去"),
        ("兩千", "yue", "2000"),
        ("Twenty-three trees", "en", "23 trees"),
        ("one hundred and five", "en", "105"),
        ("three point five", "en", "3 point 5"),
        ("3.5", "en", "3 point 5"),
        ("well-known", "en", "well known"),
    ],
)
def test_numbers_become_digits_when_asked(text: str, language: str, expected: str) -> None:
    assert normalise(text, language, Normalisation(digits=True)) == expected
    assert normalise(expected, language, Normalisation(digits=True)) == expected


def test_traditional_becomes_simplified_when_asked_and_only_then() -> None:
    assert normalise("開燈，打開電視機", "yue", Normalisation(simplified=True)) == "开灯打开电视机"
    assert normalise("開燈", "yue") == "開燈"
    assert units("開燈 two", "mixed", Normalisation(digits=True, simplified=True)) == ["开", "灯", "two"]
