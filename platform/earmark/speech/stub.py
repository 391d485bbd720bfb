"""A recogniser that says what it is told: the double for tests of the rooms above."""

from collections.abc import Callable, Iterator, Sequence
from typing import Self

import numpy as np

from earmark.speech.engine import AUTO, LANGUAGES, Abilities, Heard, TokenScore
from earmark.speech.examples import check_clip


def heard(text: str, *, logprob: float = -0.05, entropy: float = 0.1, truncated: bool = False) -> Heard:
    """A transcript in which every character was heard with the same certainty."""
    tokens = [TokenScore(ord(character), character, logprob, entropy) for character in text]
    end = [] if truncated else [TokenScore(0, "", logprob, entropy)]
    return Heard(text, (*tokens, *end), truncated)


class StubEngine:
    """Answers from `answer(waveform)`; refuses the clips a real engine refuses."""

    def __init__(self, answer: Callable[[np.ndarray], Heard]) -> None:
        self._answer = answer

    @classmethod
    def load(cls, source: str, device: str) -> Self:
        """An engine that hears `source` in every clip."""
        return cls(lambda _waveform: heard(source))

    @property
    def abilities(self) -> Abilities:
        """Scores of tokens, and growing answers."""
        return Abilities(logprobs=True, entropies=True, streams=True, languages=LANGUAGES)

    def hear(self, waveforms: Sequence[np.ndarray], *, languages: Sequence[str] | None = None) -> list[Heard]:
        """See `earmark.speech.engine.Engine`."""
        for waveform in waveforms:
            check_clip(waveform)
        return [self._answer(waveform) for waveform in waveforms]

    def hear_growing(self, waveform: np.ndarray, *, language: str = AUTO) -> Iterator[Heard]:
        """Token by token."""
        (whole,) = self.hear([waveform], languages=[language])
        for count in range(1, len(whole.tokens)):
            tokens = whole.tokens[:count]
            yield Heard("".join(token.text for token in tokens), tokens, truncated=True)
        yield whole

    def padded_seconds(self, seconds: float) -> float:
        """No padding: the clip itself."""
        return seconds
