"""Text as it is scored: normalised, then cut into the units an error rate counts.

Chinese and Cantonese count characters, languages with spaces count words, and mixed speech counts both: a
word error rate over unsegmented Chinese would say nothing.
"""

import re
import unicodedata

CHARACTER_LANGUAGES = frozenset({"zh", "yue"})

_HAN = "㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff〇"
_UNIT = re.compile(rf"[{_HAN}]|[^\s{_HAN}]+")
_KEPT_INSIDE_WORDS = "'"
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})


def normalise(text: str, language: str) -> str:
    """Text with width (NFKC), case, punctuation and spacing made equal.

    Full-width letters and digits become half-width, letters lower case, punctuation and symbols a space,
    runs of space one space. An apostrophe inside a word stays (`don't`). For `zh` and `yue` spaces next to
    a Chinese character go. Normalising twice changes nothing.
    """
    folded = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    kept = "".join(character if _is_spoken(folded, index) else " " for index, character in enumerate(folded))
    joined = " ".join(kept.split())
    if language in CHARACTER_LANGUAGES:
        joined = re.sub(rf"(?<=[{_HAN}]) | (?=[{_HAN}])", "", joined)
    return joined


def units(text: str, language: str) -> list[str]:
    """What the error rate counts, after `normalise`: each Chinese character alone, every other run as a word.

    In Chinese and Cantonese this is the character error rate with foreign words whole; in a language with
    spaces the word error rate; in mixed speech the mixed-token error rate.
    """
    return _UNIT.findall(normalise(text, language))


def is_han(character: str) -> bool:
    """Whether the character is a Chinese one."""
    return re.fullmatch(f"[{_HAN}]", character) is not None


def _is_spoken(text: str, index: int) -> bool:
    character = text[index]
    if character in _KEPT_INSIDE_WORDS:
        around = text[index - 1 : index] + text[index + 1 : index + 2]
        return index > 0 and len(around) == 2 and around.isalnum()
    return unicodedata.category(character)[0] in "LMN"
