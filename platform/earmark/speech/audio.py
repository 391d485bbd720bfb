"""Audio as every room inside sees it: mono float32 samples at 16 kHz."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile

SAMPLE_RATE = 16_000
MAX_CLIP_SECONDS = 30.0
MIN_CLIP_SECONDS = 0.1

_FULL_SCALE = 32_768.0


@dataclass(frozen=True)
class Decoded:
    """One whole audio file as the inside sees it, and what it was outside.

    `samples` is float32 [n] in [-1, 1], mono at 16 kHz; `rate` (Hz), `channels` and `format`
    (`WAV PCM_16`, `OGG OPUS` ...) are the file's own.
    """

    samples: np.ndarray
    rate: int
    channels: int
    format: str

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def write_flac(samples: np.ndarray) -> bytes:
    """16-bit FLAC of `samples` (float [n], mono 16 kHz; what lies outside [-1, 1] is clipped).

    The same samples give the same bytes, and samples that came from 16 bits come back unchanged.
    """
    scaled = np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    file = io.BytesIO()
    soundfile.write(file, scaled.astype(np.int16), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def read_flac(data: bytes) -> np.ndarray:
    """The float32 [n] samples of a FLAC that `write_flac` wrote. Not for bytes from outside: see `decoding`."""
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise ValueError(f"expected mono at {SAMPLE_RATE} Hz, got {samples.shape} at {rate} Hz")
    return np.asarray(samples)
