"""How good a calibration is on clips it was not fitted on, beside the plain probability of the model's tokens."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from earmark.speech import calibration_figures as figures
from earmark.speech.calibration_fit import FEWEST, Audited, fit, folds
from earmark.speech.probability_maps import IsotonicMap

FOLDS = 10
FEW = 100
FEW_OF_A_KIND = 10
"""A report on fewer clips than FEW, or on fewer right or wrong ones than this, says that its figures are uncertain."""

Predict = Callable[[Sequence[Audited], Sequence[Audited]], np.ndarray]
"""(clips to learn from, clips to judge) -> float64 [n, k] for the clips to judge."""


def report(clips: Sequence[Audited], seed: int) -> dict[str, Any]:
    """What `fit` is worth on `clips`: every clip is judged by a calibrator fitted on the others, in FOLDS parts.

    Plain values: `clips`, `wrong`, `few`; `calibrated`, `max_probability` (the mean probability of the likeliest
    tokens, calibrated by isotonic regression on the same clips) and `prior` (as it is), each with `auroc`, `ece`,
    `nce`, `aurc`; `chance_ece`, what perfect probabilities would show on as many clips; `reliability` and
    `risk_coverage` to draw; `error_rate` as `expected` and as `observed`; the same figures by `languages`. Figures
    that need both right and wrong clips are None without. Raises EarmarkError `speech:calibration:too_few`.
    """
    rng = np.random.default_rng(seed)
    parts = folds(len(clips), rng, FOLDS)
    assessed = held_out(
        clips, parts, lambda some, rest: np.column_stack(fit(some, rng).assess([c.assessed for c in rest]))
    )
    probability, expected = assessed[:, 0], assessed[:, 1]
    scores = {"calibrated": probability, "prior": np.array([clip.assessed.prior for clip in clips])}
    if all(clip.assessed.features.get("mean_probability") is not None for clip in clips):
        scores["max_probability"] = held_out(clips, parts, isotonic_of_max_probability)[:, 0]
    right = np.array([clip.is_right for clip in clips], np.float64)
    everything = np.ones(len(clips), bool)
    return {
        "clips": len(clips),
        "wrong": int((1 - right).sum()),
        "few": len(clips) < FEW or bool(min(right.sum(), (1 - right).sum()) < FEW_OF_A_KIND),
        "folds": FOLDS,
        "bins": figures.BINS,
        **_figures(scores, right, everything),
        "chance_ece": figures.calibration_error_by_chance(probability, rng),
        "reliability": [asdict(one) for one in figures.reliability(probability, right)],
        "risk_coverage": {name: _curve(score, right) for name, score in scores.items()},
        "error_rate": _error_rates(clips, expected),
        "languages": _by_language(clips, scores, right),
    }


def held_out(clips: Sequence[Audited], parts: Sequence[np.ndarray], predict: Predict) -> np.ndarray:
    """What `predict` says of each clip, learned from the clips of all other parts: float64 [n, k]."""
    found: dict[int, np.ndarray] = {}
    for part in parts:
        judged = set(part.tolist())
        rest = [clip for place, clip in enumerate(clips) if place not in judged]
        rows = predict(rest, [clips[place] for place in part])
        found.update(zip(part.tolist(), rows, strict=True))
    return np.array([found[place] for place in range(len(clips))])


def isotonic_of_max_probability(some: Sequence[Audited], rest: Sequence[Audited]) -> np.ndarray:
    """The baseline: the mean of the tokens' probabilities through an isotonic regression, float64 [n, 1]."""
    from sklearn.isotonic import IsotonicRegression

    right = np.array([clip.is_right for clip in some], np.float64)
    found = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(max_probability(some), right)
    one = IsotonicMap("p", tuple(found.X_thresholds_), tuple(found.y_thresholds_))
    return one({"p": max_probability(rest)})[:, None]


def max_probability(clips: Sequence[Audited]) -> np.ndarray:
    """The mean probability of the likeliest tokens of each clip: float64 [n]; NaN where it is not known."""
    known = [clip.assessed.features.get("mean_probability") for clip in clips]
    return np.array([np.nan if one is None else one for one in known], np.float64)


def quality(score: np.ndarray, right: np.ndarray) -> dict[str, float | None]:
    """`auroc`, `ece`, `nce` and `aurc` of probabilities of being right."""
    return {
        "auroc": figures.auroc(score, right),
        "ece": figures.calibration_error(score, right),
        "nce": figures.normalised_cross_entropy(score, right),
        "aurc": figures.area_under_risk_coverage(score, right),
    }


def _figures(scores: dict[str, np.ndarray], right: np.ndarray, among: np.ndarray) -> dict[str, Any]:
    return {name: quality(score[among], right[among]) for name, score in scores.items()}


def _by_language(
    clips: Sequence[Audited], scores: dict[str, np.ndarray], right: np.ndarray
) -> list[dict[str, Any]]:
    """The figures of each language with enough clips to say anything; the others only with their number."""
    found = []
    for language in sorted({clip.language for clip in clips}):
        among = np.array([clip.language == language for clip in clips])
        row: dict[str, Any] = {
            "language": language,
            "clips": int(among.sum()),
            "wrong": int((1 - right[among]).sum()),
        }
        found.append({**row, **(_figures(scores, right, among) if row["clips"] >= FEWEST else {})})
    return found


def _error_rates(clips: Sequence[Audited], expected: np.ndarray) -> dict[str, float]:
    """The mean error rate of clips, at most 1 counted of each, as expected and as people found it."""
    return {"expected": float(expected.mean()), "observed": float(np.mean([clip.rate for clip in clips]))}


def _curve(score: np.ndarray, right: np.ndarray) -> list[list[float]]:
    """Coverage and risk at up to POINTS places."""
    coverage, risk = figures.risk_coverage(score, right)
    shown = np.unique(np.linspace(0, len(score) - 1, figures.POINTS).astype(int))
    return [[round(float(coverage[at]), 4), round(float(risk[at]), 4)] for at in shown]
