"""Maps from what is known of a clip to a number in 0..1, as plain parameters: applying one needs only numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earmark.speech.errors import EarmarkError

Columns = Mapping[str, np.ndarray]
"""float64 [n] by name; NaN where a clip lacks it."""


@dataclass(frozen=True)
class LogisticMap:
    """1 / (1 + exp(-(intercept + sum of weight x (value - centre) / scale))): a value that lacks counts as `centre`."""

    columns: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def __call__(self, columns: Columns) -> np.ndarray:
        """float64 [n] in 0..1."""
        sums = self.intercept + standardised(columns, self.columns, self.centre, self.scale) @ np.array(
            self.weights
        )
        return np.asarray(1 / (1 + np.exp(-np.clip(sums, -50, 50))))


@dataclass(frozen=True)
class IsotonicMap:
    """Straight lines between (`x`, `y`), level beyond both ends; a value that lacks gives the middle of `y`."""

    column: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, columns: Columns) -> np.ndarray:
        """float64 [n] in 0..1."""
        found = np.interp(columns[self.column], self.x, self.y)
        return np.where(np.isnan(found), float(np.median(self.y)), found)


ProbabilityMap = LogisticMap | IsotonicMap
FURTHEST = 3.0
"""Standard deviations: a clip unlike all that were audited is not judged by how unlike it is."""
KINDS: Mapping[str, type[LogisticMap] | type[IsotonicMap]] = {
    "logistic": LogisticMap,
    "isotonic": IsotonicMap,
}


def standardised(
    columns: Columns,
    names: Sequence[str],
    centre: Sequence[float] | np.ndarray,
    scale: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """(value - centre) / scale, at most FURTHEST from 0, float64 [n, names]; 0 for what lacks."""
    stacked = np.column_stack([columns[name] for name in names])
    found = np.nan_to_num((stacked - np.asarray(centre)) / np.asarray(scale))
    return np.asarray(np.clip(found, -FURTHEST, FURTHEST))


def as_json(one: ProbabilityMap) -> dict[str, Any]:
    """Plain values that `from_json` reads back."""
    kind = next(name for name, kind in KINDS.items() if isinstance(one, kind))
    return {"kind": kind, **asdict(one)}


def from_json(given: Mapping[str, Any], known: Sequence[str]) -> ProbabilityMap:
    """The map written by `as_json`, its columns among `known`.

    Raises EarmarkError `speech:calibration:unreadable`, `speech:calibration:features`.
    """
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }
    try:
        found = KINDS[values.pop("kind")](**values)
        wanted = found.columns if isinstance(found, LogisticMap) else (found.column,)
        _check_lengths(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EarmarkError(
            "speech:calibration:unreadable",
            f"These are no parameters of a calibration: {error!r} in {dict(given)!r:.200}.",
            "Calibrate again.",
        ) from error
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise EarmarkError(
            "speech:calibration:features",
            f"The calibration works from {', '.join(unknown)}, which this version does not know.",
            "Calibrate again, or use the version of Earmark that made it.",
        )
    return found


def _check_lengths(one: ProbabilityMap) -> None:
    """Raises ValueError unless all parameters are finite numbers, one for each column or point."""
    if isinstance(one, LogisticMap):
        count, numbers, ends = len(one.columns), [one.centre, one.scale, one.weights], [one.intercept]
    else:
        count, numbers, ends = len(one.x), [one.x, one.y], [0.0]
    if not count or {len(values) for values in numbers} != {count}:
        raise ValueError("parameters of unequal length")
    if not np.isfinite(
        np.array([*ends, *(value for values in numbers for value in values)], np.float64)
    ).all():
        raise ValueError("a parameter that is not finite")
