"""Acoustic fingerprints: a few hashes per clip that a re-encoded, louder or slightly shifted copy shares.

Peaks of the spectrogram between 250 and 3,400 Hz, what survives codecs and telephones, are joined with later ones (the
constellation of Wang, "An Industrial-Strength Audio Search Algorithm", ISMIR 2003), by threes, for speech is so much
alike that pairs are not enough to tell sentences apart. The set of a clip's triples is reduced by MinHash, two minima
to a hash (Baluja and Covell, "Waveprint", Pattern Recognition 41, 2008; all minima from one hash of each triple: Li,
Owen and Zhang, "One Permutation Hashing", NIPS 2012). Two clips that share a part J of their triples share about J^2 of
their hashes: a half becomes a quarter, a thousandth a millionth.
"""

from functools import cache

import numpy as np

from earmark.speech.cutting import FRAME, Stretch
from earmark.speech.series import Series
from earmark.speech.spectra import bin_hertz

HASHES = 24
ALIKE = 3
"""Clips that share so many hashes sound alike; two others share one in some ten thousand pairs."""

_MINIMA = 2
_BANDS = 40
_LOWEST_HERTZ, _HIGHEST_HERTZ = 250.0, 3_400.0
_SMOOTHED = 5
_REACH_FRAMES, _REACH_BANDS = 10, 3
_MARGIN = _REACH_FRAMES + _SMOOTHED // 2
_SILENT, _FAINT = 1e-11, 10**-4.5
_NEAREST, _FARTHEST, _STEP = 8, 64, 8
_NONE = np.uint64(2**64 - 1)


class Fingerprinter:
    """Finds a recording's peaks from its power spectra as they stream by."""

    def __init__(self) -> None:
        self._waiting = np.zeros((_MARGIN, _BANDS), np.float32)
        self._judged = 0
        self._times, self._bands, self._powers = Series(np.int32), Series(np.uint8), Series(np.float32)

    def add(self, power: np.ndarray) -> None:
        """Take in float32 [frames, 257]."""
        self._find(power @ _band_weights())

    def finish(self) -> "Fingerprints":
        """Of the whole recording."""
        self._find(np.zeros((_MARGIN, _BANDS), np.float32))
        return Fingerprints(self._times.all(), self._bands.all(), self._powers.all())

    def _find(self, bands: np.ndarray) -> None:
        joined = np.concatenate([self._waiting, bands])
        judged = len(joined) - 2 * _MARGIN
        if judged <= 0:
            self._waiting = joined
            return
        smooth = _summed(joined)
        highest = _highest_around(smooth, _REACH_FRAMES)
        highest = _highest_around(np.pad(highest.T, ((_REACH_BANDS, _REACH_BANDS), (0, 0))), _REACH_BANDS).T
        smooth = smooth[_REACH_FRAMES : _REACH_FRAMES + judged]
        times, peaks = np.nonzero((smooth >= highest) & (smooth > _SILENT))
        self._times.add(times + self._judged)
        self._bands.add(peaks)
        self._powers.add(smooth[times, peaks])
        self._judged += judged
        self._waiting = joined[judged:].copy()


def _summed(bands: np.ndarray) -> np.ndarray:
    """The sum of each five frames on end: added one by one, it does not hang on where blocks begin."""
    frames = len(bands) - _SMOOTHED + 1
    total = bands[:frames].copy()
    for offset in range(1, _SMOOTHED):
        total += bands[offset : offset + frames]
    return total


def _highest_around(values: np.ndarray, reach: int) -> np.ndarray:
    """The highest of 2 reach + 1 values along the first axis, wherever that many are there."""
    width, done, highest = 2 * reach + 1, 1, values
    while done < width:
        step = min(done, width - done)
        highest = np.maximum(highest[:-step], highest[step:])
        done += step
    return highest


@cache
def _band_weights() -> np.ndarray:
    """float32 [257, 40]: triangles evenly apart in log frequency, none narrower than two bins."""
    edges = np.geomspace(_LOWEST_HERTZ, _HIGHEST_HERTZ, _BANDS + 2)
    half = np.maximum((edges[2:] - edges[:-2]) / 2, bin_hertz()[1])
    return np.maximum(1 - np.abs(bin_hertz()[:, None] - edges[1:-1]) / half, 0).astype(np.float32)


class Fingerprints:
    """The peaks of a recording in order of time: int32 [n] the frame of 10 ms, uint8 [n] band, float32 [n] power."""

    def __init__(self, times: np.ndarray, bands: np.ndarray, powers: np.ndarray) -> None:
        self._times, self._bands, self._powers = times, bands, powers

    def hashes(self, stretch: Stretch) -> tuple[int, ...]:
        """Up to 24 signed 64-bit hashes of a stretch, all different; few or none where little is heard in it."""
        first, last = np.searchsorted(self._times, [stretch.start / FRAME, stretch.end / FRAME])
        powers = self._powers[first:last]
        heard = powers > _FAINT * powers.max(initial=0.0)
        triples = _triples(
            self._times[first:last][heard].astype(np.int64), self._bands[first:last][heard].astype(np.int64)
        )
        return tuple(_minima(triples).tolist())


def _triples(times: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Three peaks each, the last within 640 ms of the first: uint64 [n], their bands and the two times between."""
    soonest = np.searchsorted(times, times + _NEAREST)
    latest = np.searchsorted(times, times + _FARTHEST)
    first, second = _each(np.arange(len(times)), soonest, latest)
    pair, third = _each(np.arange(len(first)), soonest[second], latest[first])
    first, second = first[pair], second[pair]
    code = (bands[first] * 64 + bands[second]) * 64 + bands[third]
    code = (code * 64 + (times[second] - times[first]) // _STEP) * 64 + (
        times[third] - times[second]
    ) // _STEP
    return code.astype(np.uint64)


def _each(of: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each of `of` beside each number from its start to before its end."""
    counts = np.maximum(ends - starts, 0)
    before = np.cumsum(counts) - counts
    return np.repeat(of, counts), np.arange(int(counts.sum())) + np.repeat(starts - before, counts)


def _minima(triples: np.ndarray) -> np.ndarray:
    """int64 [at most 24]: each the mix of two of 48 minima; one that lacks a minimum is left out."""
    mixed = _mixed(triples)
    bins = ((mixed >> np.uint64(40)) * np.uint64(HASHES * _MINIMA) >> np.uint64(24)).astype(np.int64)
    minima = np.full(HASHES * _MINIMA, _NONE)
    np.minimum.at(minima, bins, _mixed(mixed))
    rows = minima.reshape(HASHES, _MINIMA)
    folded = np.arange(HASHES, dtype=np.uint64)
    for column in rows.T:
        folded = _mixed(folded + column)
    return np.unique(folded[(rows != _NONE).all(axis=1)].view(np.int64))


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every bit of a uint64 comes to hang on every bit."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
