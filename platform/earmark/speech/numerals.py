"""Numbers as digits, however they were written: 二十三, twenty-three and 23 sound alike and are scored alike."""

import re
from functools import cache
from typing import Any

_DIGITS = {
    **{character: value for value, character in enumerate("零一二三四五六七八九")},
    **{character: value for value, character in enumerate("零壹贰叁肆伍陆柒捌玖")},
    **{"〇": 0, "两": 2, "兩": 2, "貳": 2, "參": 3, "陸": 6},
}
_PLACES = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1_000, "仟": 1_000}
_MYRIADS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_RUN = re.compile(f"[0-9{''.join([*_DIGITS, *_PLACES, *_MYRIADS])}]+")
_DECIMAL = re.compile(r"(?<=[0-9])\.(?=[0-9])")
_GROUPED = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_PERCENT = re.compile(r"([0-9]+(?:(?:点| point )[0-9]+)?)%")


def marks_spoken(text: str, language: str) -> str:
    """The signs inside numbers as words, before punctuation goes: 3.5 as "3 point 5" or 3点5, 30% as 百分之30."""
    text = _GROUPED.sub("", text)
    if language == "en":
        return _PERCENT.sub(r"\1 percent", _DECIMAL.sub(" point ", text))
    return _PERCENT.sub(r"百分之\1", _DECIMAL.sub("点", text))


def chinese_numbers(text: str) -> str:
    """`text` with Chinese numerals as Arabic digits: 一百零五 becomes 105, 二零二六 2026.

    What only looks like a number (万一, 千万) stays. A single 一 becomes 1 wherever it stands: so treat every text that
    is to be compared. Doing it twice changes nothing.
    """
    return _RUN.sub(lambda found: _as_digits(found[0]), text)


def english_numbers(text: str) -> str:
    """`text` (lower case) with English number words as digits, as Whisper's authors do: "twenty three" becomes 23.

    Signs may come with them ($5, 30%, 1.5), and a number that is made may make another with its neighbours.
    """
    return str(_english()(text))


def _as_digits(run: str) -> str:
    if run.isascii():
        return run
    if not any(character in _PLACES or character in _MYRIADS for character in run):
        return "".join(str(_DIGITS.get(character, character)) for character in run)
    value = _value(run)
    return run if value is None else str(value)


def _value(run: str) -> int | None:
    """The number that `run` spells in places and myriads; None for one that is not well spelt.

    A last digit right after a place counts tenths of it, as people say it: 三千六 is 3,600.
    """
    for sign, size in sorted(_MYRIADS.items(), key=lambda pair: -pair[1]):
        if sign in run:
            before, _, after = run.rpartition(sign)
            many, rest = _value(before), _rest(after, size)
            return None if not many or rest is None else many * size + rest
    total, digits, place = 0, "", 10_000
    for index, character in enumerate(run):
        if character in _PLACES:
            size = _PLACES[character]
            count = _number(digits) if digits else (1 if size == 10 and index == 0 else None)
            if count is None or not 0 < count < 10 or size >= place:
                return None
            total, digits, place = total + count * size, "", size
        else:
            digits += character
    return _ended(total, digits, place)


def _ended(total: int, digits: str, place: int) -> int | None:
    """`total` and the digits after its last `place` (10,000: there was none)."""
    if not digits:
        return total
    last = _number(digits)
    if place == 10_000 or _number(digits[0]) == 0:
        return total + last if last < place or place == 10_000 else None
    return total + last * place // 10 if len(digits) == 1 else None


def _rest(after: str, size: int) -> int | None:
    """What follows a myriad of that `size`: nothing, a digit (tenths), or a smaller number."""
    if not after:
        return 0
    if len(after) == 1 and after in _DIGITS:
        return _DIGITS[after] * size // 10
    value = _value(after)
    return value if value is not None and value < size else None


def _number(digits: str) -> int:
    return int("".join(str(_DIGITS.get(character, character)) for character in digits))


@cache
def _english() -> Any:
    from transformers.models.whisper.english_normalizer import EnglishNumberNormalizer  # slow to import

    return EnglishNumberNormalizer()
