"""How high the sound of a clip reaches: what a telephone took away does not come back by writing it at 16 kHz."""

import numpy as np

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.spectra import bin_hertz

BANDS = 32
BAND_HZ = SAMPLE_RATE / 2 / BANDS
_LIVE_DB = 60.0
_SMALLEST_SHARE = 0.1


def band_weights() -> np.ndarray:
    """float32 [257, 32]: the bins that make up each band of 250 Hz, without the constant part."""
    band = np.minimum(bin_hertz() // BAND_HZ, BANDS - 1)
    weights = (band[:, None] == np.arange(BANDS)).astype(np.float32)
    weights[0] = 0.0
    return weights


def bandwidth(levels: np.ndarray) -> float:
    """Hz, 0 to 8,000: the upper edge of the highest band that is alive, from its frames' levels: dB [n, 32]."""
    if not len(levels):
        return 0.0
    loudest = np.percentile(levels, 95, axis=0)
    alive = np.flatnonzero(loudest > max(loudest.max() - _LIVE_DB, -110.0))
    return float((alive[-1] + 1) * BAND_HZ) if len(alive) else 0.0
