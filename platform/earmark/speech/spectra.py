"""What each 10 ms of sound is made of, measured as its samples stream by: the one spectrum all other measures share."""

from functools import cache

import numpy as np
import scipy.fft

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import FLOOR_DB, FRAME

WINDOW = 512
BINS = WINDOW // 2 + 1

_LEAD = (WINDOW - FRAME) // 2
_TINY = 10 ** (FLOOR_DB / 10)


class Spectrograph:
    """Turns samples into power spectra: Hann windows of 32 ms, each centred on a frame of 10 ms."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def add(self, samples: np.ndarray) -> np.ndarray:
        """Take in float32 [n] at 16 kHz; gives float32 [frames, 257], the frames that are now complete."""
        before = self._rest if len(self._rest) else np.repeat(samples[:1], _LEAD)
        joined = np.concatenate([before, samples])
        frames = max(0, (len(joined) - WINDOW) // FRAME + 1)
        self._rest = joined[frames * FRAME :].copy()
        return _power(joined, frames)

    def finish(self) -> np.ndarray:
        """The frames that are left, float32 [frames, 257]; with all before them ceil(n / 160).

        Before the first and after the last sample the sound is taken to stand still, which no spectrum shows.
        """
        frames = max(0, -(-(len(self._rest) - _LEAD) // FRAME))
        return _power(np.concatenate([self._rest, np.repeat(self._rest[-1:], WINDOW)]), frames)


def _power(joined: np.ndarray, frames: int) -> np.ndarray:
    if not frames:
        return np.zeros((0, BINS), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(joined, WINDOW)[::FRAME][:frames]
    spectrum = scipy.fft.rfft(windows * _window())
    return spectrum.real**2 + spectrum.imag**2


@cache
def _window() -> np.ndarray:
    """Hann, scaled so that a spectrum's powers add up to the mean square of its samples (Parseval)."""
    hann = np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW) ** 2
    return (hann * np.sqrt(2 / (WINDOW * np.sum(hann**2)))).astype(np.float32)


def bin_hertz() -> np.ndarray:
    """The frequency of each bin: float64 [257]."""
    return np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)


def decibels(power: np.ndarray | np.floating) -> np.ndarray:
    """10 log10 of a power, -120 dB at least."""
    return np.asarray(10 * np.log10(np.maximum(power, _TINY)))
