"""What every recogniser of ours offers: waveforms in, text with the model's own doubts out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np

from earmark.speech.errors import EarmarkError

ENTROPY_CHOICES = 20
"""How many of the likeliest tokens of a step an entropy is taken over: a 59,000-token tail would drown it."""

AUTO = "auto"
LANGUAGES = ("en", "yue", "zh")
"""What may be asked for; `AUTO` leaves the language to the model."""


@dataclass(frozen=True)
class TokenScore:
    """One token of a transcript.

    `text` as it is spelt in the transcript (empty for a token that ends inside a character), `logprob`
    natural log of its probability, `entropy` in nats of the `ENTROPY_CHOICES` likeliest tokens at that
    step, renormalised; NaN where the engine does not tell.
    """

    token_id: int
    text: str
    logprob: float
    entropy: float


@dataclass(frozen=True)
class Word:
    """A word (or Chinese character) of a text: `start` and `end` in seconds from the clip's start.

    `score` in 0..1 says how well the audio there fits the word.
    """

    text: str
    start: float
    end: float
    score: float


@dataclass(frozen=True)
class Heard:
    """What was heard in one clip. `tokens` include the end token when it came; `truncated`: it never did.

    Where the engine is able to: `words` with their times, `alignment` (the mean log-probability of the text's
    characters under the aligner: 0 fits perfectly, None without an aligner), `embedding` (float32 [D], the mean of
    the encoder's output over the clip's own frames), `language` as the engine itself recognised it. `disagreement`, 0
    to 1, is added where perturbed copies of the clip were heard, too: see `earmark.speech.perturbation`.
    """

    text: str
    tokens: tuple[TokenScore, ...]
    truncated: bool
    words: tuple[Word, ...] = ()
    alignment: float | None = None
    embedding: np.ndarray | None = field(default=None, compare=False)
    language: str = ""
    disagreement: float | None = None


@dataclass(frozen=True)
class Abilities:
    """What an engine gives beside the text. `languages`: those it can be asked for."""

    logprobs: bool = False
    entropies: bool = False
    times: bool = False
    embeddings: bool = False
    streams: bool = False
    languages: tuple[str, ...] = ()


class Engine(Protocol):
    """A recogniser: one loaded model behind one call. Settings name engines by the dotted path of their class."""

    @classmethod
    def load(cls, source: str, device: str) -> Self:
        """The engine of the model at `source` (a folder, a hub id, an address) on `device`.

        Raises EarmarkError `recognition:model:unavailable` or `:manifest`.
        """
        ...

    @property
    def abilities(self) -> Abilities:
        """What this model gives beside the text."""
        ...

    def hear(self, waveforms: Sequence[np.ndarray], *, languages: Sequence[str] | None = None) -> list[Heard]:
        """Transcribe mono float32 waveforms [n] at 16 kHz, 0.1 to 30 s each, in the order given.

        `languages`: the mode of each clip, `AUTO` or one of `abilities.languages`; all `AUTO` when None. Raises
        EarmarkError `speech:clip:*` for a clip no model can hear, `speech:language:unknown`.
        """
        ...

    def hear_growing(self, waveform: np.ndarray, *, language: str = AUTO) -> Iterator[Heard]:
        """One clip as it is decoded: what is heard so far, again and again, last the whole. If `abilities.streams`."""
        ...

    def padded_seconds(self, seconds: float) -> float:
        """Seconds of audio the model works through for a clip that long: what fills a batch."""
        ...


def modes_of(
    languages: Sequence[str] | None, clips: int, known: Sequence[str] = LANGUAGES
) -> tuple[str, ...]:
    """The mode of each of `clips` clips: `AUTO` or one of `known`; all `AUTO` when `languages` is None.

    Raises EarmarkError `speech:language:unknown`, and `speech:language:unpaired` unless there is one per clip.
    """
    if languages is None:
        return (AUTO,) * clips
    if len(languages) != clips:
        raise EarmarkError(
            "speech:language:unpaired",
            f"{clips} clips and {len(languages)} languages are not pairs.",
            "Give one language per clip, or none at all.",
        )
    for language in languages:
        if language != AUTO and language not in known:
            raise EarmarkError(
                "speech:language:unknown",
                f"This engine cannot be asked for the language {language!r}.",
                f"Choose {AUTO} or one of {', '.join(known)}.",
            )
    return tuple(languages)
