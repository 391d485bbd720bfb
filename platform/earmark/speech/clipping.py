"""Where a recording was too loud for its converter: flat tops in the file's own samples.

A clipped wave stays at one level, the highest it ever reaches, for several samples at a time. Measured before
resampling, which would round the tops.
"""

import numpy as np

from earmark.speech.series import Series

CLIPPED_SHARE = 0.001
"""A stretch with a greater share of clipped samples can be called clipped: coarse steps make up no more."""

FRAME_SECONDS = 0.01
_FLAT = 1.5 / 32_768
_SHORTEST_RUN = 3
_NEAR_TOP = 0.99
_LOUD = 0.02


class ClippingMeter:
    """Counts flat tops as one voice's samples stream by at the file's `rate` (Hz)."""

    def __init__(self, rate: int) -> None:
        self._frame = max(1, round(rate * FRAME_SECONDS))
        self._rate = rate
        self._rest = np.zeros(0, np.float32)
        self._highs, self._lows = Series(np.float32), Series(np.float32)
        self._counts = Series(np.uint16)

    def add(self, block: np.ndarray) -> None:
        """Take in float32 [n]; what is over full scale is cut off there, as it is for everybody who listens."""
        joined = np.clip(np.concatenate([self._rest, block]), -1.0, 1.0)
        whole = len(joined) // self._frame
        self._measure(joined[: whole * self._frame].reshape(whole, self._frame))
        self._rest = joined[whole * self._frame :].copy()

    def _measure(self, frames: np.ndarray) -> None:
        highs, lows = frames.max(axis=1, initial=-1.0), frames.min(axis=1, initial=1.0)
        self._highs.add(highs)
        self._lows.add(lows)
        counts = np.zeros(len(frames), np.uint16)
        flat = np.abs(frames[:, 1:] - frames[:, :-1]) <= _FLAT
        loud = np.flatnonzero((highs - lows > _LOUD) & (np.count_nonzero(flat, axis=1) >= _SHORTEST_RUN - 1))
        if len(loud):
            counts[loud] = _flat_tops(frames[loud], flat[loud], highs[loud], lows[loud])
        self._counts.add(counts)

    def finish(self) -> "Clipping":
        """What was measured; a last piece shorter than 10 ms is left out."""
        return Clipping(
            self._highs.all(),
            self._lows.all(),
            self._counts.all(),
            samples_per_frame=self._frame,
            rate=self._rate,
        )


def _flat_tops(frames: np.ndarray, flat: np.ndarray, highs: np.ndarray, lows: np.ndarray) -> np.ndarray:
    """Samples of each frame in runs of three and more at its highest or lowest level: int64 [n]."""
    top = (frames >= _NEAR_TOP * highs[:, None]) & (highs[:, None] > _LOUD)
    top |= (frames <= _NEAR_TOP * lows[:, None]) & (lows[:, None] < -_LOUD)
    steps = flat & top[:, 1:] & top[:, :-1]
    pairs = steps[:, 1:] & steps[:, :-1]
    in_run = np.zeros(frames.shape, bool)
    for offset in range(_SHORTEST_RUN):
        in_run[:, offset : offset + pairs.shape[1]] |= pairs
    return in_run.sum(axis=1)


class Clipping:
    """The highest and lowest sample of each 10 ms of the file and how many of its samples are flat tops there."""

    def __init__(
        self, highs: np.ndarray, lows: np.ndarray, counts: np.ndarray, *, samples_per_frame: int, rate: int
    ) -> None:
        self._highs, self._lows, self._counts = highs, lows, counts
        self._per_frame, self._rate = samples_per_frame, rate

    def share(self, start: float, end: float) -> float:
        """The share of clipped samples from `start` to `end` seconds, 0 to 1.

        Flat tops count where they reach the highest level of the stretch; lower ones are the wave's own.
        """
        seconds = self._per_frame / self._rate
        first, last = int(start / seconds), max(int(start / seconds) + 1, round(end / seconds))
        highs, lows = self._highs[first:last], self._lows[first:last]
        if not len(highs):
            return 0.0
        at_top = (highs >= _NEAR_TOP * highs.max()) | (lows <= _NEAR_TOP * lows.min())
        return float(self._counts[first:last][at_top].sum() / (len(highs) * self._per_frame))
