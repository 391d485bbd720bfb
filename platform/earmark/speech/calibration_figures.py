"""How good probabilities are: calibration, discrimination, and what one risks by accepting the surest.

`probability` is float64 [n] in 0..1 that a clip is right, `right` float64 [n], 1 where it was.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

BINS = 15
POINTS = 50
_CHANCE_DRAWS = 200
_SURE = 1e-4


@dataclass(frozen=True)
class Bin:
    """Clips of like probability: how many, what they were given, how many of them were right (shares)."""

    clips: int
    probability: float
    right: float


def reliability(probability: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> list[Bin]:
    """Bins of equal numbers of clips, least probable first; fewer than `bins` where there are fewer clips."""
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, min(bins, len(order))) if len(order) else []
    return [Bin(len(part), float(probability[part].mean()), float(right[part].mean())) for part in parts]


def calibration_error(probability: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al., AAAI 2015) over bins of equal mass (Nixon et al., 2019): the mean
    distance between what clips were given and what share of them was right, weighted by clips.
    """
    found = reliability(probability, right, bins=bins)
    total = sum(one.clips for one in found)
    return sum(one.clips * abs(one.probability - one.right) for one in found) / total if total else 0.0


def calibration_error_by_chance(probability: np.ndarray, rng: np.random.Generator) -> float:
    """The calibration error that perfect probabilities would show on as many clips: bins of few clips are noisy."""
    draws = rng.random((_CHANCE_DRAWS, len(probability))) < probability
    return float(np.mean([calibration_error(probability, draw.astype(np.float64)) for draw in draws]))


def normalised_cross_entropy(probability: np.ndarray, right: np.ndarray) -> float | None:
    """NCE (NIST; Siu and Gish, 1999): the share of the uncertainty of "is it right" that the probabilities take away.

    1 is perfect, 0 as good as knowing the share that is right; None where all are right or all wrong.
    """
    base = float(right.mean()) if len(right) else 0.0
    if base in (0.0, 1.0):
        return None
    return 1 - log_loss(probability, right) / log_loss(np.full(len(right), base), right)


def log_loss(probability: np.ndarray, right: np.ndarray) -> float:
    """Mean negative log-likelihood, nats; `right` may be a share."""
    return float(log_losses(probability, right).mean())


def log_losses(probability: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The negative log-likelihood of each clip, nats, float64 [n]; nothing is surer than 1 in 10,000."""
    kept = np.clip(probability, _SURE, 1 - _SURE)
    return np.asarray(-(right * np.log(kept) + (1 - right) * np.log(1 - kept)))


def auroc(score: np.ndarray, right: np.ndarray) -> float | None:
    """The chance that a right clip scores above a wrong one, ties half (Mann and Whitney); None with one kind only."""
    good = right > 0.5
    n = int(good.sum())
    if n in (0, len(right)):
        return None
    above = float(rankdata(score)[good].sum()) - n * (n + 1) / 2
    return above / (n * (len(right) - n))


def risk_coverage(score: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage (share accepted, surest first) and risk (share wrong among them), float64 [n] each.

    Clips of equal score are accepted in no order: each step within them takes the mean of what they hold.
    """
    order = np.argsort(-score, kind="stable")
    _values, index, counts = np.unique(-score[order], return_inverse=True, return_counts=True)
    mean = np.bincount(index, weights=1 - right[order]) / counts
    accepted = np.arange(1, len(order) + 1)
    return accepted / max(1, len(order)), np.cumsum(mean[index]) / accepted


def area_under_risk_coverage(score: np.ndarray, right: np.ndarray) -> float:
    """AURC (Geifman and El-Yaniv, 2017): the risk, averaged over all coverages; 0 is perfect."""
    _coverage, risk = risk_coverage(score, right)
    return float(risk.mean()) if len(risk) else 0.0


def accepted_error(score: np.ndarray, errors: np.ndarray, units: np.ndarray, coverage: float) -> float:
    """Error rate of the surest `coverage` (0 to 1) of clips over that of all of them; 1 where there are no errors."""
    order = np.argsort(-score, kind="stable")[: round(coverage * len(score))]
    pool = errors.sum() / max(1, units.sum())
    return float(errors[order].sum() / max(1, units[order].sum()) / pool) if pool else 1.0
