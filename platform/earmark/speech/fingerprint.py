"""Acoustic fingerprints: a few hashes per clip that a re-encoded, louder or slightly shifted copy shares.

Peaks of the spectrogram between 250 and 3,400 Hz, what survives codecs and telephones, are paired with later ones (the constellation of Wang, "An Industrial-Strength Audio Search Algorithm", ISMIR 2003). The set of a clip's pairs is
reduced by MinHash, a few minima to a hash (Baluja and Covell, "Waveprint", Pattern Recognition 41, 2008), so that the
chance to share one grows steeply with how much of their sets two clips share.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from earmark.speech.cutting import FRAME, Stretch
from earmark.speech.spectra import bin_hertz

HASHES = 24
_ROWS = 2

_BANDS = 40
_LOWEST_HERTZ, _HIGHEST_HERTZ = 250.0, 3_400.0
_REACH_FRAMES, _REACH_BANDS = 8, 3
_FAINT = 1e-9
_FAN = 4
_NEAREST, _FARTHEST = 4, 96
_DELTA_STEP = 4
_MASK = (1 << 64) - 1


class Fingerprinter:
    """Finds a recording's peaks from its power spectra as they stream by."""

    def __init__(self) -> None:
        self._waiting = np.zeros((_REACH_FRAMES, _BANDS), np.float32)
        self._first = -_REACH_FRAMES
        self._times: list[np.ndarray] = []
        self._bands: list[np.ndarray] = []

    def add(self, power: np.ndarray) -> None:
        """Take in float32 [frames, 257]."""
        self._find(power @ _band_weights())

    def finish(self) -> "Fingerprints":
        """Of the whole recording."""
        self._find(np.zeros((_REACH_FRAMES, _BANDS), np.float32))
        parts = (self._times, self._bands)
        return Fingerprints(*(np.concatenate(part) if part else np.zeros(0, np.int64) for part in parts))

    def _find(self, bands: np.ndarray) -> None:
        joined = np.concatenate([self._waiting, bands])
        judged = len(joined) - 2 * _REACH_FRAMES
        if judged <= 0:
            self._waiting = joined
            return
        around = _highest_around(joined, _REACH_FRAMES)[:judged]
        padded = np.pad(around, ((0, 0), (_REACH_BANDS, _REACH_BANDS)))
        around = _highest_around(padded.T, _REACH_BANDS).T
        centre = joined[_REACH_FRAMES : _REACH_FRAMES + judged]
        times, peaks = np.nonzero((centre >= around) & (centre > _FAINT))
        self._times.append(times + self._first + _REACH_FRAMES)
        self._bands.append(peaks)
        self._first += judged
        self._waiting = joined[judged:].copy()


def _highest_around(values: np.ndarray, reach: int) -> np.ndarray:
    """The highest of 2 reach + 1 values along the first axis, wherever that many are there."""
    width, done = 2 * reach + 1, 1
    highest = values
    while done < width:
        step = min(done, width - done)
        highest = np.maximum(highest[:-step], highest[step:])
        done += step
    return highest


@cache
def _band_weights() -> np.ndarray:
    """float32 [257, 40]: triangles evenly apart in log frequency."""
    edges = np.geomspace(_LOWEST_HERTZ, _HIGHEST_HERTZ, _BANDS + 2)
    hertz = bin_hertz()[:, None]
    half = np.maximum(edges[2:] - edges[:-2], 62.5) / 2
    return np.maximum(1 - np.abs(hertz - edges[1:-1]) / half, 0).astype(np.float32)


class Fingerprints:
    """The peaks of a recording: int64 [n] frame of 10 ms, and [n] band, in order of time."""

    def __init__(self, times: np.ndarray, bands: np.ndarray) -> None:
        self._times, self._bands = times, bands

    def hashes(self, stretch: Stretch) -> tuple[int, ...]:
        """Up to 24 signed 64-bit hashes of a stretch; none where it is silent."""
        first, last = np.searchsorted(self._times, [stretch.start / FRAME, stretch.end / FRAME])
        pairs = _pairs(self._times[first:last], self._bands[first:last])
        return tuple(_minima(pairs).tolist()) if len(pairs) else ()


def _pairs(times: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Each peak with those that follow it: uint64 [n], both bands and the time between, apart."""
    found = []
    for step in range(1, min(_FAN * 4, len(times))):
        apart = times[step:] - times[:-step]
        near = (apart >= _NEAREST) & (apart < _FARTHEST)
        found.append(((bands[:-step] * _BANDS + bands[step:]) * 64 + apart // _DELTA_STEP)[near])
    return np.unique(np.concatenate(found)).astype(np.uint64) if found else np.zeros(0, np.uint64)


def _minima(pairs: np.ndarray) -> np.ndarray:
    """int64 [24]: each the mix of `_ROWS` minima under hash functions of their own."""
    minima = _mixed(pairs[None, :] + _seeds()[:, None]).min(axis=1).reshape(HASHES, _ROWS)
    folded = minima[:, 0]
    for row in range(1, _ROWS):
        folded = _mixed(folded + minima[:, row])
    return folded.view(np.int64)


@cache
def _seeds() -> np.ndarray:
    return _mixed(np.arange(1, HASHES * _ROWS + 1, dtype=np.uint64))


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: every bit of uint64 depends on every bit."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def similarity(first: Sequence[int], second: Sequence[int]) -> float:
    """The share of hashes two clips have in common, 0 to 1; 0 where either has none."""
    if not first or not second:
        return 0.0
    return len(set(first) & set(second)) / max(len(set(first)), len(set(second)))
