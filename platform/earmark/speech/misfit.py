"""How badly a text fits its clip at its worst place: what tells a slip of the pen from a hard clip.

Three things give a false text away: a stretch of frames that sound like something else (a word is missing or another),
a word that would have been spoken impossibly fast or slowly (a word too many), and a word no frame of which sounds like
it. Their logarithms are added with weights that a logistic regression over the known demo dialects found, rounded.
"""

import math
from collections.abc import Sequence

import numpy as np

MOST = 20.0
"""Nats beyond which nothing gets worse."""
_STRETCH_FRAMES = 10
_SQUEEZED, _FOREIGN = 0.8, 0.3

Numbers = Sequence[float] | np.ndarray


def misfit(gaps: np.ndarray, squeezes: Numbers, foreign: Numbers, middles: Numbers) -> tuple[float, int]:
    """A value of 0 (fits perfectly) to about 6.4, and the frame where the text fits worst.

    `gaps` [T]: nats by which each frame sounds less like what it is taken for than like what it sounds most like, 0 and
    up. Of every word: `squeezes`, minus the log of how usual its length is; `foreign`, the mean gap of its characters;
    `middles`, its middle frame.
    """
    if not len(gaps):
        return 0.0, 0
    capped = np.minimum(gaps, MOST)
    width = min(_STRETCH_FRAMES, len(capped))
    total = np.concatenate([[0.0], np.cumsum(capped, dtype=np.float64)])
    means = (total[width:] - total[:-width]) / width
    at = int(means.argmax())
    stretch, place = math.log1p(float(means[at])), at + width // 2
    if not len(squeezes):
        return stretch, place
    tight = int(np.argmax(squeezes))
    squeeze = _SQUEEZED * math.log1p(min(MOST, float(squeezes[tight])))
    value = stretch + squeeze + _FOREIGN * math.log1p(min(MOST, float(np.max(foreign))))
    return value, int(middles[tight]) if squeeze > stretch else place
