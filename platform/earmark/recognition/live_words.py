"""What was heard as words to show: how sure the model was of each, and where in the audio it is."""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from earmark.speech.engine import Heard, TokenScore, Word
from earmark.speech.text import is_han

_PIECE = re.compile(r"\s*\S+")
_OPENING = {"Ps", "Pi"}


@dataclass(frozen=True)
class SaidWord:
    """A word of a text (each Chinese character alone) as it stands there.

    `before` is the white space in front of it, so that `before + text` of all words spell the text. `probability`, 0
    to 1, is that of its least likely token; None where the engine does not tell. `start` and `end` in seconds from the
    clip's start; None where no aligner said.
    """

    text: str
    before: str = ""
    probability: float | None = None
    start: float | None = None
    end: float | None = None


def said_words(heard: Heard) -> tuple[SaidWord, ...]:
    """The words of what was heard, in order; punctuation stays with the word it touches."""
    spans = _spans(heard.text)
    likely = _likelihoods(heard)
    times = _times(heard.text, heard.words)
    found = []
    for before, start, end in spans:
        own = [likely[i] for i in range(start, end)] if likely else []
        timed = [times[i] for i in range(start, end) if i in times]
        found.append(
            SaidWord(
                text=heard.text[start:end],
                before=heard.text[before:start],
                probability=min(own) if own else None,
                start=min(word.start for word in timed) if timed else None,
                end=max(word.end for word in timed) if timed else None,
            )
        )
    return tuple(found)


def _spans(text: str) -> list[tuple[int, int, int]]:
    """(where the space before it begins, start, end) of each word; what follows the last one goes with it."""
    spans = []
    for match in _PIECE.finditer(text):
        before, start = match.start(), match.end() - len(match.group().lstrip())
        for end in range(start + 1, match.end() + 1):
            if end < match.end() and not _is_edge(text, end):
                continue
            spans.append((before, start, end))
            before = start = end
    return spans


def _is_edge(text: str, at: int) -> bool:
    """Whether a word may end at `at`, within a run without white space: beside a Chinese character."""
    left, right = text[at - 1], text[at]
    if unicodedata.category(left) in _OPENING:
        return False
    return is_han(right) or (is_han(left) and (right.isalnum() or unicodedata.category(right) in _OPENING))


def _likelihoods(heard: Heard) -> list[float]:
    """The probability of each character of the text; nothing where the tokens do not spell it."""
    spelt, likely = "", list[float]()
    pending = 0.0
    for token in heard.tokens:
        pending = min(pending, token.logprob)
        spelt += token.text
        likely += [math.exp(pending)] * len(token.text)
        pending = 0.0 if token.text else pending
    at = spelt.find(heard.text)
    return likely[at : at + len(heard.text)] if at >= 0 and _are_scored(heard.tokens) else []


def _are_scored(tokens: Sequence[TokenScore]) -> bool:
    return not any(math.isnan(token.logprob) for token in tokens)


def _times(text: str, words: Sequence[Word]) -> dict[int, Word]:
    """Which word of the aligner's each character of the text belongs to, where the two spell alike."""
    owners = [word for word in words for character in word.text]
    spelt = "".join(word.text for word in words)
    found = {}
    matcher = SequenceMatcher(None, _folded(text), _folded(spelt), autojunk=False)
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            if not text[block.a + step].isspace():
                found[block.a + step] = owners[block.b + step]
    return found


def _folded(text: str) -> list[str]:
    return [character.casefold() for character in text]
