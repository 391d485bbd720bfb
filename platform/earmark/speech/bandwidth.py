"""How high the sound of a clip reaches: what a telephone took away does not come back by writing it at 16 kHz."""

import numpy as np

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.spectra import bin_hertz

BANDS = 32
BAND_HZ = SAMPLE_RATE / 2 / BANDS

NARROW_HZ = 5_000.0
"""What reaches no higher has been through a telephone, or something like it."""

_LIVE_DB = 50.0
_FAINTEST_DB = -108.0
_LOUDEST_SHARE = 0.03
_MIRRORED = slice(9, 15)
_HEARD_DB, _FEWEST = 10.0, 8
_IMAGE_SPREAD_DB = 3.0


def band_weights() -> np.ndarray:
    """float32 [257, 32]: the bins that make up each band of 250 Hz; not the lowest two, to which a constant leaks."""
    band = np.minimum(bin_hertz() // BAND_HZ, BANDS - 1)
    weights = (band[:, None] == np.arange(BANDS)).astype(np.float32)
    weights[:2] = 0.0
    return weights


def bandwidth(levels: np.ndarray) -> float:
    """Hz, 0 to 8,000: the upper edge of the highest band that is alive, from its frames' levels in dB: [n, 32].

    Alive is a band that comes within 50 dB of the loudest in 3 % of the frames. What a poor resampler puts over 4 kHz,
    the mirror image of what lies below, is not alive: it moves with its original, to 3 dB, as nothing spoken does.
    """
    if not len(levels):
        return 0.0
    rank = min(len(levels) - 1, int((1 - _LOUDEST_SHARE) * len(levels)))
    loudest = np.partition(levels, rank, axis=0)[rank]
    alive = np.flatnonzero(loudest > max(float(loudest.max()) - _LIVE_DB, _FAINTEST_DB))
    if not len(alive):
        return 0.0
    if alive[-1] >= BANDS // 2 and _is_mirrored(levels, loudest):
        alive = alive[alive < BANDS // 2]
    return float((alive.max(initial=0) + 1) * BAND_HZ)


def _is_mirrored(levels: np.ndarray, loudest: np.ndarray) -> bool:
    """Whether bands over 4 kHz follow those as far below it, wherever these are within 10 dB of their loudest."""
    below, above = levels[:, _MIRRORED], levels[:, ::-1][:, _MIRRORED]
    heard = below > loudest[_MIRRORED] - _HEARD_DB
    counts = np.maximum(heard.sum(axis=0), 1)
    apart = np.where(heard, above - below, 0.0)
    spread = np.sqrt(np.maximum((apart**2).sum(axis=0) / counts - (apart.sum(axis=0) / counts) ** 2, 0))
    follows = spread < np.minimum(_IMAGE_SPREAD_DB, below.std(axis=0) / 2)
    enough = counts >= _FEWEST
    return bool(enough.sum() >= 3 and follows[enough].mean() > 0.5)
