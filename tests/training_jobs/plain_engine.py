"""An engine without torch, so that a process with it starts at once: it hears its source in every clip."""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np

from earmark.speech.engine import AUTO, Abilities, Heard
from earmark.speech.errors import EarmarkError


class PlainEngine:
    """Loads everything but `broken`."""

    abilities = Abilities(languages=("en",))

    def __init__(self, source: str) -> None:
        self._source = source

    @classmethod
    def load(cls, source: str, device: str) -> Self:
        if source == "broken":
            raise EarmarkError("recognition:model:unavailable", "It is broken.", "Mend it.")
        return cls(source)

    def hear(self, waveforms: Sequence[np.ndarray], *, languages: Sequence[str] | None = None) -> list[Heard]:
        return [Heard(self._source, (), truncated=False) for _ in waveforms]

    def hear_growing(self, waveform: np.ndarray, *, language: str = AUTO) -> Iterator[Heard]:
        yield from self.hear([waveform])

    def padded_seconds(self, seconds: float) -> float:
        return seconds
