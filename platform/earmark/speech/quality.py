"""What a clip is worth listening to: the figures of its quality, from measures of each 10 ms of its recording."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from earmark.speech import bandwidth, loudness, snr
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.clipping import Clipping
from earmark.speech.cutting import FRAME, Stretch
from earmark.speech.series import Series
from earmark.speech.spectra import decibels

LEVEL_FRAME = 2 * FRAME
_STEP_DB = 0.5
_LOWEST_DB = -120.0
_SURROUNDINGS = SAMPLE_RATE
_GUARD = 60 * SAMPLE_RATE // 1000


@dataclass(frozen=True)
class Quality:
    """A clip's figures.

    `speech_seconds` s; `silence_share` 0 to 1, the share without speech; `snr_db` -10 to 60, None without speech;
    `clipped_share` 0 to 1 of the file's own samples; `bandwidth_hz` 0 to 8,000; `loudness_lufs` -70 to 5.
    """

    speech_seconds: float
    silence_share: float
    snr_db: float | None
    clipped_share: float
    bandwidth_hz: float
    loudness_lufs: float


@dataclass(frozen=True)
class Measured:
    """A recording's measures.

    `weighted`: float32 [frames of 10 ms], K-weighted power; `loudness`: float32 [frames of 10 ms], dBFS; `levels`:
    uint8 [frames of 20 ms, 32], the level of each band in half decibels over -120 dB.
    """

    weighted: np.ndarray
    loudness: np.ndarray
    levels: np.ndarray
    clipping: Clipping


class QualityMeter:
    """Gathers a recording's measures from its power spectra as they stream by."""

    def __init__(self) -> None:
        self._weights = np.column_stack([bandwidth.band_weights(), loudness.k_weights()])
        self._odd = np.zeros((0, bandwidth.BANDS), np.float32)
        self._weighted, self._loudness = Series(np.float32), Series(np.float32)
        self._levels = Series(np.uint8, bandwidth.BANDS)

    def add(self, power: np.ndarray) -> None:
        """Take in float32 [frames, 257]."""
        summed = power @ self._weights
        bands = summed[:, :-1]
        self._weighted.add(summed[:, -1])
        self._loudness.add(np.minimum(decibels(bands.sum(axis=1)), 0.0))
        joined = np.concatenate([self._odd, bands])
        whole = len(joined) // 2
        self._odd = joined[2 * whole :].copy()
        self._levels.add(_packed(joined[: 2 * whole].reshape(whole, 2, joined.shape[1]).mean(axis=1)))

    def finish(self, clipping: Clipping) -> Measured:
        """All that was measured."""
        self._levels.add(_packed(self._odd))
        return Measured(self._weighted.all(), self._loudness.all(), self._levels.all(), clipping)


def _packed(power: np.ndarray) -> np.ndarray:
    return np.rint((np.clip(decibels(power), _LOWEST_DB, 7.0) - _LOWEST_DB) / _STEP_DB).astype(np.uint8)


def assess(measured: Measured, stretch: Stretch, speech: np.ndarray) -> Quality:
    """The figures of one stretch; `speech` is int64 [n, 2], the samples [start, end) in which somebody speaks."""
    length = stretch.end - stretch.start
    if length <= 0:
        return Quality(0.0, 1.0, None, 0.0, 0.0, loudness.FLOOR_LUFS)
    inside = np.clip(speech, stretch.start, stretch.end)
    spoken = int((inside[:, 1] - inside[:, 0]).sum())
    near = slice(
        max(0, stretch.start - _SURROUNDINGS) // LEVEL_FRAME, (stretch.end + _SURROUNDINGS) // LEVEL_FRAME
    )
    levels = measured.levels[near]
    centres = (np.arange(len(levels)) + near.start) * LEVEL_FRAME + LEVEL_FRAME // 2
    in_clip = (centres >= stretch.start) & (centres < stretch.end)
    is_speech = _within(centres, speech)[in_clip]
    is_quiet = ~_within(centres, speech + np.array([-_GUARD, _GUARD]))
    heard = levels[in_clip]
    return Quality(
        speech_seconds=spoken / SAMPLE_RATE,
        silence_share=1 - spoken / length,
        snr_db=snr.estimate(_power()[heard], is_speech, _power()[levels[is_quiet]]),
        clipped_share=measured.clipping.share(stretch.start_seconds, stretch.end / SAMPLE_RATE),
        bandwidth_hz=bandwidth.bandwidth(_decibels()[heard[is_speech] if is_speech.any() else heard]),
        loudness_lufs=loudness.integrated(
            measured.weighted[stretch.start // FRAME : -(-stretch.end // FRAME)]
        ),
    )


def _within(at: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Whether each of `at` lies in one of the stretches, int64 [n, 2], which are sorted by start and by end."""
    begun = np.searchsorted(stretches[:, 0], at, side="right")
    ended = np.searchsorted(stretches[:, 1], at, side="right")
    return begun > ended


@cache
def _decibels() -> np.ndarray:
    """float32 [256]: what each packed level stands for."""
    return (np.arange(256) * _STEP_DB + _LOWEST_DB).astype(np.float32)


@cache
def _power() -> np.ndarray:
    return 10 ** (_decibels() / 10)
