"""A recogniser that says what it is told: the double for tests of the rooms above."""

from collections.abc import Callable, Sequence

import numpy as np

from earmark.speech.engine import Heard, TokenScore
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

    def hear(self, waveforms: Sequence[np.ndarray]) -> list[Heard]:
        """See `earmark.speech.engine.Engine`."""
        for waveform in waveforms:
            check_clip(waveform)
        return [self._answer(waveform) for waveform in waveforms]

    def padded_seconds(self, seconds: float) -> float:
        """No padding: the clip itself."""
        return seconds
