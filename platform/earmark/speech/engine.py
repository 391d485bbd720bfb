"""What every recogniser of ours offers: waveforms in, text with the model's own doubts out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

ENTROPY_CHOICES = 20
"""How many of the likeliest tokens of a step an entropy is taken over: a 59,000-token tail would drown it."""


@dataclass(frozen=True)
class TokenScore:
    """One token of a transcript.

    `text` as it is spelt in the transcript (empty for a token that ends inside a character), `logprob`
    natural log of its probability, `entropy` in nats of the `ENTROPY_CHOICES` likeliest tokens at that
    step, renormalised.
    """

    token_id: int
    text: str
    logprob: float
    entropy: float


@dataclass(frozen=True)
class Heard:
    """What was heard in one clip. `tokens` include the end token when it came; `truncated`: it never did."""

    text: str
    tokens: tuple[TokenScore, ...]
    truncated: bool


class Engine(Protocol):
    """A recogniser: one loaded model behind one call."""

    def hear(self, waveforms: Sequence[np.ndarray]) -> list[Heard]:
        """Transcribe mono float32 waveforms [n] at 16 kHz, 0.1 to 30 s each, in the order given.

        Raises EarmarkError `speech:clip:*` for a clip no model can hear.
        """
        ...

    def padded_seconds(self, seconds: float) -> float:
        """Seconds of audio the model works through for a clip that long: what fills a batch."""
        ...
