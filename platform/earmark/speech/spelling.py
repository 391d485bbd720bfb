"""A text as an aligner reads it: words (Chinese: characters) as they stand, each with the characters spoken."""

import re
import unicodedata
from typing import NamedTuple

from earmark.speech.text import is_han, normalise

_MIXED = "mixed"


class Spelt(NamedTuple):
    """A word as it stands in the text, without punctuation around it, and the characters of it that are spoken."""

    text: str
    characters: str


def spell(text: str) -> list[Spelt]:
    """The words of `text` in order: each Chinese character alone, every other run of characters without a space.

    What is only punctuation is no word. The characters are those of `earmark.speech.text.normalise` without its
    spaces: `Well-known` is spelt `wellknown`.
    """
    found = []
    for piece in _pieces(text):
        characters = normalise(piece, _MIXED).replace(" ", "")
        if characters:
            found.append(Spelt(_bare(piece), characters))
    return found


def _pieces(text: str) -> list[str]:
    apart = "".join(f" {each} " if is_han(each) else each for each in text)
    return apart.split()


def _bare(piece: str) -> str:
    kept = [i for i, each in enumerate(piece) if unicodedata.category(each)[0] in "LMN"]
    return piece[kept[0] : kept[-1] + 1] if kept else re.sub(r"\s", "", piece)
