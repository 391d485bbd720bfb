"""How sure the model was of each word of a transcript: its tokens put together again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.speech.engine import TokenScore
from earmark.speech.text import is_han


@dataclass(frozen=True)
class WordDoubt:
    """A word, or one Chinese character: `logprob` of all its tokens together, natural log; `entropy` the highest of
    them, nats; NaN where the engine does not tell.
    """

    text: str
    logprob: float
    entropy: float


def words_of(tokens: Sequence[TokenScore]) -> list[WordDoubt]:
    """The words of a transcript in order. Tokens that spell nothing (an end token, bytes inside a character) count
    for the word they stand at the end of; where no token spells anything there is one word without text.
    """
    groups: list[list[TokenScore]] = []
    for token in tokens:
        if not groups or (token.text.strip() and _begins(groups[-1], token.text)):
            groups.append([])
        groups[-1].append(token)
    return [_word(group) for group in groups]


def _begins(before: Sequence[TokenScore], text: str) -> bool:
    """Whether `text` begins a new word after `before`."""
    said = "".join(token.text for token in before)
    if not said.strip():
        return False
    return text[0].isspace() or said[-1].isspace() or is_han(text[0]) or is_han(said[-1])


def _word(group: Sequence[TokenScore]) -> WordDoubt:
    entropies = [token.entropy for token in group if not math.isnan(token.entropy)]
    return WordDoubt(
        "".join(token.text for token in group).strip(),
        sum(token.logprob for token in group),
        max(entropies, default=math.nan),
    )
