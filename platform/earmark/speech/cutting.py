"""Cut long recordings into clips at their quietest pauses. Energy decides; a voice detector may replace `cut` later.

The seam: whatever cuts takes the loudness of each frame of 10 ms and the length in samples, and returns stretches
that cover the recording from end to end.
"""

from dataclasses import dataclass

import numpy as np

from earmark.speech.audio import MAX_CLIP_SECONDS, SAMPLE_RATE

FRAME = SAMPLE_RATE // 100
MAX_RECORDING_SECONDS = 12 * 3600
FLOOR_DB = -120.0
SILENCE_DB = -70.0

LONGEST = int(MAX_CLIP_SECONDS * SAMPLE_RATE)
EARLIEST_CUT = 5 * SAMPLE_RATE
SHORTEST = SAMPLE_RATE
_PAUSE_FRAMES = 30
_NEARLY_DB = 2.0


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


class LoudnessMeter:
    """Measures samples as they stream by: dBFS of each frame of 10 ms, its constant part left out."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._measured: list[np.ndarray] = []

    def add(self, samples: np.ndarray) -> None:
        """Take in float32 [n]."""
        joined = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(joined) // FRAME * FRAME
        self._measured.append(_decibels(joined[:whole].reshape(-1, FRAME)))
        self._rest = joined[whole:].copy()

    def finish(self) -> np.ndarray:
        """float32 [ceil(n / 160)] in [-120, 0] dBFS; a last piece shorter than a frame counts as one."""
        if len(self._rest):
            self._measured.append(_decibels(self._rest[np.newaxis]))
        return np.concatenate(self._measured) if self._measured else np.zeros(0, np.float32)


def _decibels(frames: np.ndarray) -> np.ndarray:
    deviation = np.maximum(frames.std(axis=1, dtype=np.float64), 10 ** (FLOOR_DB / 20))
    return np.minimum(20 * np.log10(deviation), 0.0).astype(np.float32)


def is_silent(loudness: np.ndarray) -> bool:
    """Whether no frame rises above -70 dBFS: below that there is no speech, only the noise of 16 bits."""
    return not len(loudness) or float(loudness.max()) < SILENCE_DB


def cut(loudness: np.ndarray, samples: int) -> list[Stretch]:
    """Stretches that cover [0, samples) without overlap, each at most 30 s; a recording of at most 30 s is one.

    In a longer one each cut is made in the middle of the quietest pause that ends a clip of 5 to 30 s, and no clip is
    shorter than 1 s. `loudness` is what LoudnessMeter measured: float [ceil(samples / 160)] in dBFS.
    """
    stretches, start = [], 0
    smooth = _smoothed(loudness) if samples > LONGEST else loudness
    while samples - start > LONGEST:
        earliest = _frame_up(start + EARLIEST_CUT)
        latest = min(start + LONGEST, samples - SHORTEST) // FRAME
        end = FRAME * (earliest + _quietest(smooth[earliest : latest + 1]))
        stretches.append(Stretch(start, end))
        start = end
    return [*stretches, Stretch(start, samples)]


def _frame_up(samples: int) -> int:
    return -(-samples // FRAME)


def _smoothed(loudness: np.ndarray) -> np.ndarray:
    """The mean over the 300 ms around the start of each frame."""
    reach = _PAUSE_FRAMES // 2
    sums = np.cumsum(np.pad(loudness.astype(np.float64), (reach + 1, reach), mode="edge"))
    return (sums[_PAUSE_FRAMES:] - sums[:-_PAUSE_FRAMES])[: len(loudness)] / _PAUSE_FRAMES


def _quietest(loudness: np.ndarray) -> int:
    """Index of the middle of the longest run that is within 2 dB of the quietest."""
    is_quiet = loudness <= loudness.min() + _NEARLY_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_quiet, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest] + ends[longest] - 1) // 2
