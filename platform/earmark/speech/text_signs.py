"""What a transcript's text alone gives away: loops, how long saying it takes, what script it is written in.

Thresholds are those in use elsewhere: compression ratio over 2.4 (Whisper), a 4-gram said again and again (Kahn 2020).
"""

import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence

from earmark.speech.text import CHARACTER_LANGUAGES, is_han, units

_MAX_COMPRESSION = 2.4
_LOOP_GRAM = 4
_LOOP_TIMES = 3
_LOOP_RUN = 6
_HAN_PER_SECOND = 10.0
_LETTERS_PER_SECOND = 30.0
_FOREIGN_SHARE = 0.5
_BORROWED = 1
"""A single word of another script is borrowed, not another language."""


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes of it compressed: over 2.4 it says the same again and again."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_loop(text: str) -> bool:
    """Whether the text repeats itself as people do not: six equal units in a row, or one 4-gram three times over."""
    said = units(text, "mixed")
    grams = Counter(tuple(said[i : i + _LOOP_GRAM]) for i in range(len(said) - _LOOP_GRAM + 1))
    repeated = any(times >= _LOOP_TIMES for times in grams.values())
    return repeated or _longest_run(said) >= _LOOP_RUN or compression_ratio(text) > _MAX_COMPRESSION


def shortest_seconds(text: str) -> float:
    """The least time anybody needs to say the text, s: 10 Chinese characters or 30 letters a second."""
    characters = [character for character in text if not character.isspace()]
    han = sum(map(is_han, characters))
    return han / _HAN_PER_SECOND + (len(characters) - han) / _LETTERS_PER_SECOND


def is_foreign(text: str, language: str) -> bool:
    """Whether most of the text is in a script that `language` (`zh`, `yue`, `en`) is not written in.

    Chinese and Cantonese are told by their characters, so a text of either passes for both; one word of another
    script alone is let pass. False for languages whose script is not known here.
    """
    if language not in CHARACTER_LANGUAGES and language != "en":
        return False
    scripts = [_script(unit) for unit in units(text, language)]
    told = [script for script in scripts if script]
    wanted = "han" if language in CHARACTER_LANGUAGES else "latin"
    foreign = [script for script in told if script != wanted]
    borrowed = len(foreign) <= _BORROWED and foreign != ["other"] and wanted == "han"
    return not borrowed and len(foreign) > _FOREIGN_SHARE * len(told)


def _script(unit: str) -> str:
    """`han`, `latin`, `other`, or nothing where there is no letter to tell by."""
    letter = next((character for character in unit if character.isalpha()), "")
    if not letter:
        return ""
    if is_han(letter):
        return "han"
    return "latin" if unicodedata.name(letter, "").startswith("LATIN") else "other"


def _longest_run(said: Sequence[str]) -> int:
    longest = run = 0
    for index, unit in enumerate(said):
        run = run + 1 if index and said[index - 1] == unit else 1
        longest = max(longest, run)
    return longest
