"""How loud a clip is to people: LUFS of ITU-R BS.1770-4, from power spectra instead of filtered samples.

The K-weighting is applied to the spectrum of each frame of 10 ms; blocks of 400 ms every 100 ms are gated at -70 LUFS
and again at 10 LU under the mean of the rest. What a file holds over 8 kHz is not heard.
"""

from functools import cache

import numpy as np

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.spectra import bin_hertz

FLOOR_LUFS = -70.0
_OFFSET = -0.691
_BLOCK, _HOP = 40, 10
_RELATIVE_GATE = 0.1


@cache
def k_weights() -> np.ndarray:
    """float32 [257]: the power gain of the K-weighting at each bin; none at the lowest two, to which a constant leaks.

    Shelf and high pass are those of BS.1770's tables, their analogue parameters as libebur128 gives them.
    """
    gain, shelf_hertz, shelf_q = 3.999843853973347, 1681.974450955533, 0.7071752369554196
    pass_hertz, pass_q = 38.13547087602444, 0.5003270373238773
    k, high = np.tan(np.pi * shelf_hertz / SAMPLE_RATE), 10 ** (gain / 20)
    band = high**0.4996667741545416
    shelf = _response(
        (high + band * k / shelf_q + k * k, 2 * (k * k - high), high - band * k / shelf_q + k * k),
        (1 + k / shelf_q + k * k, 2 * (k * k - 1), 1 - k / shelf_q + k * k),
    )
    k = np.tan(np.pi * pass_hertz / SAMPLE_RATE)
    norm = 1 + k / pass_q + k * k
    high_pass = _response((norm, -2 * norm, norm), (norm, 2 * (k * k - 1), 1 - k / pass_q + k * k))
    gains = shelf * high_pass
    gains[:2] = 0.0
    return gains.astype(np.float32)


def _response(above: tuple[float, ...], below: tuple[float, ...]) -> np.ndarray:
    """|H|^2 at each bin of the filter with these polynomials in z^-1."""
    z = np.exp(-2j * np.pi * bin_hertz() / SAMPLE_RATE)
    powers = z[:, None] ** np.arange(3)
    return np.abs(powers @ np.array(above) / (powers @ np.array(below))) ** 2


def integrated(weighted: np.ndarray) -> float:
    """LUFS of a stretch, -70 at least, from the K-weighted mean square of each of its frames of 10 ms: float [n].

    A stretch shorter than a block is one block.
    """
    if not len(weighted):
        return FLOOR_LUFS
    sums = np.concatenate([[0.0], np.cumsum(weighted, dtype=np.float64)])
    length = min(_BLOCK, len(weighted))
    blocks = (sums[length:] - sums[:-length])[::_HOP] / length
    loud = blocks[blocks > 10 ** ((FLOOR_LUFS - _OFFSET) / 10)]
    if not len(loud):
        return FLOOR_LUFS
    kept = loud[loud > _RELATIVE_GATE * loud.mean()]
    return max(FLOOR_LUFS, float(_OFFSET + 10 * np.log10(kept.mean())))
