"""What two models' transcripts of the same clips say: figures with intervals, overall and by slice. Pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earmark.speech.aligned import Pair, align, confusions
from earmark.speech.calibration_report import quality
from earmark.speech.scoring import ErrorCounts, bootstrap_interval, paired_difference
from earmark.speech.slices import LOW_SNR_DB, is_clean, is_noisy, members
from earmark.speech.text import Normalisation
from training_jobs.scored import Examined, Scored, figures

VERSION = 1
MOST_CONFUSIONS = 20
ENOUGH_UNITS = 30
"""Reference units in a slice below which nobody is said to win."""


@dataclass(frozen=True)
class Side:
    """One model's part: its errors and texts, clip by clip, and the probability it was given of each being right."""

    scored: Sequence[Scored]
    heard: Sequence[str]
    confidence: Sequence[float]
    is_calibrated: bool


def text_report(
    clips: Sequence[Examined], a: Side, b: Side, *, options: Normalisation, seed: int
) -> dict[str, Any]:
    """All that the texts and confidences tell; JSON. The clips and both sides stand in the same order."""
    traits = [one.traits for one in clips]
    every = range(len(clips))

    def of(indices: Iterable[int]) -> dict[str, Any] | None:
        return _figure(a.scored, b.scored, list(indices), seed)

    return {
        "version": VERSION,
        "seed": seed,
        "normalisation": asdict(options),
        "clips": len(clips),
        "seconds": sum(one.seconds or 0.0 for one in traits),
        "overall": of(every),
        "noise": {
            "below_db": LOW_SNR_DB,
            "noisy": of(index for index in every if is_noisy(traits[index])),
            "clean": of(index for index in every if is_clean(traits[index])),
        },
        "slices": [
            {"kind": kind, "name": name, **(of(indices) or {})}
            for kind, named in members(traits).items()
            for name, indices in named.items()
        ],
        "agreement": _agreement(a.scored, b.scored),
        "confusions": {
            "a": _confused(clips, a, options),
            "b": _confused(clips, b, options),
        },
        "confidence": {"a": _trust(a), "b": _trust(b)},
    }


def winner(figure: dict[str, Any] | None) -> str:
    """`a` or `b` when the interval of the difference leaves out 0 on enough units; empty when it may be chance."""
    if not figure or figure["units"] < ENOUGH_UNITS:
        return ""
    difference = figure["difference"]
    if difference["high"] < 0:
        return "b"
    return "a" if difference["low"] > 0 else ""


def _figure(
    a: Sequence[Scored], b: Sequence[Scored], indices: Sequence[int], seed: int
) -> dict[str, Any] | None:
    """Both models' figures on those clips and B minus A; None for no clips."""
    if not indices:
        return None
    before, after = ([side[index].counts for index in indices] for side in (a, b))
    found = figures(before)
    return {
        "clips": found["clips"],
        "units": found["units"],
        "a": _one(before, seed),
        "b": _one(after, seed),
        "difference": asdict(paired_difference(before, after, seed=seed)),
    }


def _one(counts: Sequence[ErrorCounts], seed: int) -> dict[str, Any]:
    low, high = bootstrap_interval(counts, seed=seed)
    found = figures(counts)
    kept = ("error_rate", "substitutions", "insertions", "deletions")
    return {**{name: found[name] for name in kept}, "low": low, "high": high}


def _agreement(a: Sequence[Scored], b: Sequence[Scored]) -> dict[str, int]:
    """In how many clips both are right, one alone, neither."""
    right = [(not one.counts.errors, not two.counts.errors) for one, two in zip(a, b, strict=True)]
    names = {
        "both": (True, True),
        "only_a": (True, False),
        "only_b": (False, True),
        "neither": (False, False),
    }
    return {name: right.count(case) for name, case in names.items()}


def _confused(clips: Sequence[Examined], side: Side, options: Normalisation) -> list[list[Any]]:
    def pairs() -> Iterable[Pair]:
        for clip, heard, scored in zip(clips, side.heard, side.scored, strict=True):
            if scored.counts.errors:
                yield from align(clip.text, heard, clip.traits.language, options)

    return [[one.reference, one.heard, one.times] for one in confusions(pairs(), most=MOST_CONFUSIONS)]


def _trust(side: Side) -> dict[str, Any]:
    """How well the model's confidences tell which texts are wholly right."""
    right = np.array([not one.counts.errors for one in side.scored], np.float64)
    told = quality(np.array(side.confidence, np.float64), right)
    return {**told, "right": float(right.mean()), "calibrated": side.is_calibrated}
