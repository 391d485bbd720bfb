"""What the champion heard as words to point at: where each is in the audio, and how likely it is right. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from earmark.recognition.live_words import SaidWord, said_words
from earmark.recognition.models import Hypothesis
from earmark.speech.engine import Heard, TokenScore, Word


def shown_words(hypothesis: Hypothesis, sure: Sequence[tuple[str, float]] = ()) -> list[SaidWord]:
    """The words of `hypothesis` in order; `before + text` of all of them spell its text.

    `sure`: its pieces with the calibrated probability of each (`calibrations.calibrated_words`), which then count
    instead of the tokens. A word of several pieces is as sure as its least sure one. Without details, times and
    probabilities are None.
    """
    words = said_words(_heard(hypothesis))
    likely = _likely(hypothesis.text, sure)
    if not likely:
        return list(words)
    ends = list(accumulate(len(word.before) + len(word.text) for word in words))
    return [
        replace(word, probability=min(likely[end - len(word.text) : end], default=None))
        for word, end in zip(words, ends, strict=True)
    ]


def _likely(text: str, sure: Sequence[tuple[str, float]]) -> list[float]:
    """The probability of each character of the text; nothing where the pieces do not spell it."""
    found = [right for piece, right in sure for _character in piece]
    return found + [1.0] * (len(text) - len(found)) if sure and len(found) <= len(text) else []


def _heard(hypothesis: Hypothesis) -> Heard:
    unknown = float("nan")
    return Heard(
        text=hypothesis.text,
        tokens=tuple(
            TokenScore(
                0, text, unknown if logprob is None else logprob, unknown if entropy is None else entropy
            )
            for text, logprob, entropy in hypothesis.tokens
        ),
        truncated=False,
        words=tuple(Word(text, start, end, score) for text, start, end, score in hypothesis.words),
    )
