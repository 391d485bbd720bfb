"""What the teacher hears in a clip: as it is, or by a vote of hearings at several speeds.

A clip resampled to play a little slower or faster is another voice saying the same (vocal tract length perturbation,
Jaitly and Hinton 2013): what a model mishears in one it often hears well in another, and what it makes up changes.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.confidence import clip_confidence
from earmark.speech.engine import Heard
from earmark.speech.perturbation import distance
from training_jobs.recipe.augmentation import change_speed
from training_jobs.recipe.manifest import ClipEntry

SPEEDS: Mapping[int, Sequence[float]] = {
    1: (1.0,),
    3: (1.0, 0.92, 1.08),
    5: (1.0, 0.92, 1.08, 0.96, 1.04),
}
"""By number of views. Two that are 15 % off were no better than a clip as it is, and three as good as five."""


@dataclass(frozen=True)
class Hearing:
    """What was heard in the clip `index`: `mean` is the mean probability of its tokens, `sequence` the probability of
    all of them, in 0..1; `prior`, `features` and `flags` are those of its confidence.
    """

    index: int
    text: str
    mean: float
    sequence: float
    prior: float
    features: dict[str, float]
    flags: tuple[str, ...]


def views_of(samples: np.ndarray, count: int) -> list[np.ndarray]:
    """The clip float32 [n] at `count` speeds, a key of SPEEDS; the first is the clip as it is."""
    return [samples if speed == 1.0 else change_speed(samples, speed) for speed in SPEEDS[count]]


def hearing_of(
    index: int, heard: Heard, samples: np.ndarray, entry: ClipEntry, voice_seconds: float
) -> Hearing:
    """`heard` in the clip `samples`, with how far to trust it."""
    confidence = clip_confidence(
        heard,
        len(samples) / SAMPLE_RATE,
        samples,
        language=entry.language,
        voice_seconds=voice_seconds,
    )
    probabilities = token_probabilities(heard) or [0.0]
    mean = sum(probabilities) / len(probabilities)
    return Hearing(
        index,
        heard.text,
        mean,
        math.prod(probabilities),
        confidence.value,
        confidence.features,
        confidence.flags,
    )


def token_probabilities(heard: Heard) -> list[float]:
    """Of each chosen token, the end token included where it was heard."""
    return [math.exp(token.logprob) for token in heard.tokens]


def voted(views: Sequence[Hearing]) -> Hearing:
    """The text that has most probability over all views of a clip, as the view heard it that was surest of it.

    Of several views it gets `disagreement`: the mean edit distance of the other views' texts from it, 0..1.
    """
    if len(views) == 1:
        return views[0]
    weight: defaultdict[str, float] = defaultdict(float)
    for view in views:
        weight[view.text] += view.sequence
    text = max(weight, key=lambda one: weight[one])
    surest = max((view for view in views if view.text == text), key=lambda view: view.sequence)
    apart = sum(distance(text, view.text) for view in views) / (len(views) - 1)
    return replace(surest, features={**surest.features, "disagreement": apart})
