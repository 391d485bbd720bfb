"""Whether a text is what is said in a clip, and where it slips.

A text that fits is about as likely in every stretch of the clip as what the head hears there when nobody tells it the
text. Where it is not, a word is missing, is one too many, or is another: `Alignment.misfit` tells how badly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch

from earmark.speech.aligner import Aligner, Alignment
from earmark.speech.spelling import spell

_MOST_PAIRS = 300
_ACCEPTED_TRUE = 0.96
"""Share of true pairs that the threshold must let pass."""


@dataclass(frozen=True)
class Verdict:
    """`matches`: the text may be what is said. `slips`: where, in seconds from the clip's start, it is least so."""

    matches: bool
    slips: tuple[float, ...]


def verdict(aligner: Aligner, alignment: Alignment) -> Verdict:
    """Whether an aligned text is what is said in the clip."""
    matches = alignment.misfit <= aligner.head.threshold
    return Verdict(matches, () if matches else (alignment.slip,))


def calibrated_threshold(
    aligner: Aligner, encoded: Sequence[torch.Tensor], texts: Sequence[str], seed: int
) -> float:
    """The misfit up to which a text is taken for what is said: `_ACCEPTED_TRUE` of these pairs lie under it.

    At most `_MOST_PAIRS` clips [T, H] with their texts are looked at, drawn by `seed`.
    """
    said = [i for i, text in enumerate(texts) if spell(text)]
    chosen = sorted(Random(f"{seed}:threshold").sample(said, min(_MOST_PAIRS, len(said))))
    true = aligner.align_batch([encoded[i] for i in chosen], [texts[i] for i in chosen])
    return float(np.quantile([each.misfit for each in true], _ACCEPTED_TRUE))
