"""Text as it is scored: normalised, then cut into the units an error rate counts.

Chinese and Cantonese count characters, languages with spaces count words, and mixed speech counts both: a
word error rate over unsegmented Chinese would say nothing.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

from earmark.speech.numerals import chinese_numbers, english_numbers, marks_spoken

CHARACTER_LANGUAGES = frozenset({"zh", "yue"})

_HAN = "㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff〇"
_UNIT = re.compile(rf"[{_HAN}]|[^\s{_HAN}]+")
_KEPT_INSIDE_WORDS = "'"
_MOST_PASSES = 8
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})


@dataclass(frozen=True)
class Normalisation:
    """What else is made equal before texts are compared: both off unless asked for.

    `digits`: numbers become Arabic digits, however they were written. `simplified`: traditional Chinese characters
    become simplified ones.
    """

    digits: bool = False
    simplified: bool = False


PLAIN = Normalisation()


def normalise(text: str, language: str, options: Normalisation = PLAIN) -> str:
    """Text with width (NFKC), case, punctuation and spacing made equal, and what `options` ask for.

    Full-width letters and digits become half-width, letters lower case, punctuation and symbols a space,
    runs of space one space. An apostrophe inside a word stays (`don't`). For `zh` and `yue` spaces next to
    a Chinese character go. Normalising twice changes nothing.
    """
    folded = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    if options.simplified:
        folded = _simplifier().convert(folded)
    if options.digits:
        folded = marks_spoken(folded, language)
    plain = _bare(folded, language)
    return _in_digits(plain, language) if options.digits else plain


def units(text: str, language: str, options: Normalisation = PLAIN) -> list[str]:
    """What the error rate counts, after `normalise`: each Chinese character alone, every other run as a word.

    In Chinese and Cantonese this is the character error rate with foreign words whole; in a language with
    spaces the word error rate; in mixed speech the mixed-token error rate.
    """
    return _UNIT.findall(normalise(text, language, options))


def is_han(character: str) -> bool:
    """Whether the character is a Chinese one."""
    return re.fullmatch(f"[{_HAN}]", character) is not None


def _bare(text: str, language: str) -> str:
    """`text` without what is not spoken, single spaces between words."""
    kept = "".join(character if _is_spoken(text, index) else " " for index, character in enumerate(text))
    joined = " ".join(kept.split())
    if language in CHARACTER_LANGUAGES:
        joined = re.sub(rf"(?<=[{_HAN}]) | (?=[{_HAN}])", "", joined)
    return joined


def _in_digits(text: str, language: str) -> str:
    if language != "en":
        return chinese_numbers(text)
    for _ in range(_MOST_PASSES):
        before, text = text, _bare(marks_spoken(english_numbers(text), language), language)
        if text == before:
            break
    return text


@cache
def _simplifier() -> Any:
    import opencc  # reads its dictionaries

    return opencc.OpenCC("t2s")


def _is_spoken(text: str, index: int) -> bool:
    character = text[index]
    if character in _KEPT_INSIDE_WORDS:
        around = text[index - 1 : index] + text[index + 1 : index + 2]
        return index > 0 and len(around) == 2 and around.isalnum()
    return unicodedata.category(character)[0] in "LMN"
