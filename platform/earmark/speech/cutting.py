"""Stretches of a recording, to the sample."""

from dataclasses import dataclass

from earmark.speech.audio import SAMPLE_RATE

FRAME = SAMPLE_RATE // 100
MAX_RECORDING_SECONDS = 12 * 3600
FLOOR_DB = -120.0
SILENCE_DB = -70.0
"""What never rises above it holds no speech, only the noise of 16 bits."""


@dataclass(frozen=True)
class Stretch:
    """Samples [start, end) at 16 kHz."""

    start: int
    end: int

    @property
    def start_seconds(self) -> float:
        return self.start / SAMPLE_RATE

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / SAMPLE_RATE
