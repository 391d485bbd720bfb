"""How far speech stands out of what else is heard: signal-to-noise ratio of a clip in dB.

The noise is what is heard in the pauses, band by band. Where there are none to hear it in, it is taken from how quiet
each band of 250 Hz becomes between the sounds of speech (quantile noise estimation: Stahl, Fischer and Bippus, ICASSP
2000). WADA-SNR (Kim and Stern, Interspeech 2008), which knows only the spread of amplitudes, was measured beside it.
"""

import numpy as np

LOWEST_DB, HIGHEST_DB = -10.0, 60.0
FEWEST_QUIET = 5

_QUANTILE = 0.05
_QUANTILE_TO_MEAN = 1.4
_SMOOTHED = 3
_TINY = 1e-12


def estimate(power: np.ndarray, is_speech: np.ndarray, quiet: np.ndarray) -> float | None:
    """dB, -10 to 60: the mean power of speech over that of noise while there is speech; None without speech.

    `power` is float [n, bands], a clip's frames of 20 ms; `is_speech` bool [n]; `quiet` float [m, bands], frames
    without speech in the clip and near it.
    """
    if not is_speech.any():
        return None
    noise = quiet.mean(axis=0) if len(quiet) >= FEWEST_QUIET else _between_sounds(power)
    spoken = np.maximum(power[is_speech].mean(axis=0) - noise, 0.0)
    ratio = float(spoken.sum() + _TINY) / float(noise.sum() + _TINY)
    return float(np.clip(10 * np.log10(ratio), LOWEST_DB, HIGHEST_DB))


def _between_sounds(power: np.ndarray) -> np.ndarray:
    """The noise of each band, float [bands], from the quietest twentieth of its frames."""
    if len(power) > _SMOOTHED:
        sums = np.cumsum(power, axis=0, dtype=np.float64)
        power = (sums[_SMOOTHED:] - sums[:-_SMOOTHED]) / _SMOOTHED
    rank = int(_QUANTILE * (len(power) - 1))
    return np.partition(power, rank, axis=0)[rank] * _QUANTILE_TO_MEAN
