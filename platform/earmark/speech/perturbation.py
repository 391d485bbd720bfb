"""Whether a transcript survives a small change of the audio: said a little slower, in a little noise, with gaps.

What a model makes up changes when the sound does (as in DUST, Khurana et al. 2021, where dropout inside the model does
the changing; dropping pieces of the sound needs nothing of the engine). It costs as much as hearing the clip again
for each copy, so only clips near the decision are worth it.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import soxr

from earmark.speech.audio import MAX_CLIP_SECONDS, SAMPLE_RATE
from earmark.speech.engine import Engine, Heard
from earmark.speech.scoring import count_errors
from earmark.speech.text import units

LEAST_PRIOR, MOST_PRIOR = 0.1, 0.9
"""Beyond these a prior has made up its mind."""
_SLOWER = 1.06
_NOISE_DB = 15.0
_DROPPED_SHARE = 0.08
_DROPPED_SAMPLES = SAMPLE_RATE // 50

Perturbation = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""float32 [n] and a generator -> float32 [m]."""


def near_decision(priors: Sequence[float], seconds: Sequence[float], budget_seconds: float) -> list[int]:
    """Positions of the clips to perturb: the least decided first, while their audio fits into the budget.

    Least decided is what lies nearest the middle of LEAST_PRIOR and MOST_PRIOR; beyond them nothing is taken.
    """
    middle = (LEAST_PRIOR + MOST_PRIOR) / 2
    open_ = [place for place, prior in enumerate(priors) if LEAST_PRIOR <= prior <= MOST_PRIOR]
    chosen, left = [], budget_seconds
    for place in sorted(open_, key=lambda place: abs(priors[place] - middle)):
        if seconds[place] <= left:
            chosen.append(place)
            left -= seconds[place]
    return sorted(chosen)


def disagreements(
    engine: Engine,
    waveforms: Sequence[np.ndarray],
    heard: Sequence[Heard],
    rng: np.random.Generator,
    *,
    languages: Sequence[str] | None = None,
    ways: Sequence[str] | None = None,
) -> list[float]:
    """The mean over `ways` (all of WAYS unless given) of the edit distance, over the longer text's length, between
    what was heard in a clip and what is heard in its perturbed copy: 0 unmoved to 1. All copies go as one call.
    """
    names = tuple(WAYS if ways is None else ways)
    if not waveforms:
        return []
    copies = [_kept_short(WAYS[name](one, rng)) for name in names for one in waveforms]
    asked = None if languages is None else list(languages) * len(names)
    again = engine.hear(copies, languages=asked)
    distances = [
        distance(one.text, other.text) for one, other in zip(list(heard) * len(names), again, strict=True)
    ]
    table = np.array(distances).reshape(len(names), len(heard))
    return [float(value) for value in table.mean(axis=0)]


def distance(one: str, other: str) -> float:
    """Edits between two texts over the units of the longer one: 0 for the same text, 1 for nothing in common."""
    longer = max(len(units(one, "mixed")), len(units(other, "mixed")))
    return count_errors(one, other, "mixed").errors / longer if longer else 0.0


def slower(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """6 % slower, and lower."""
    return np.asarray(soxr.resample(waveform, SAMPLE_RATE, SAMPLE_RATE * _SLOWER), np.float32)


def in_noise(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In white noise 15 dB under the clip's mean power."""
    level = np.sqrt(float(np.mean(np.square(waveform, dtype=np.float64))) + 1e-12) * 10 ** (-_NOISE_DB / 20)
    return waveform + (level * rng.standard_normal(len(waveform))).astype(np.float32)


def with_gaps(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With 8 % of its pieces of 20 ms silent."""
    pieces = -(-len(waveform) // _DROPPED_SAMPLES)
    kept = np.repeat(rng.random(pieces) >= _DROPPED_SHARE, _DROPPED_SAMPLES)[: len(waveform)]
    return waveform * kept.astype(np.float32)


WAYS: Mapping[str, Perturbation] = {"speed": slower, "noise": in_noise, "dropout": with_gaps}


def _kept_short(waveform: np.ndarray) -> np.ndarray:
    """No copy outgrows what an engine hears."""
    return waveform[: round(MAX_CLIP_SECONDS * SAMPLE_RATE)]
