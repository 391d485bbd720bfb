"""Figures of probabilities, against values worked out by hand."""

import numpy as np
import pytest

from earmark.speech.calibration_figures import (
    accepted_error,
    area_under_risk_coverage,
    auroc,
    calibration_error,
    calibration_error_by_chance,
    normalised_cross_entropy,
    reliability,
    risk_coverage,
)

SCORE = np.array([0.9, 0.8, 0.3, 0.1])
RIGHT = np.array([1.0, 0.0, 1.0, 0.0])


def test_the_calibration_error_is_the_mean_distance_of_equal_bins() -> None:
    assert calibration_error(SCORE, RIGHT, bins=2) == pytest.approx((abs(0.85 - 0.5) + abs(0.2 - 0.5)) / 2)
    assert [one.clips for one in reliability(SCORE, RIGHT, bins=2)] == [2, 2]
    assert reliability(SCORE, RIGHT)[0].probability == 0.1
    assert calibration_error(np.zeros(0), np.zeros(0)) == 0.0


def test_few_clips_look_uncalibrated_by_chance() -> None:
    rng = np.random.default_rng(1)
    few, many = (calibration_error_by_chance(np.full(n, 0.5), rng) for n in (45, 4_500))
    assert few > 0.1 > many


def test_auroc_counts_pairs_and_ties_half() -> None:
    assert auroc(SCORE, RIGHT) == 0.75
    assert auroc(np.ones(4), RIGHT) == 0.5
    assert auroc(SCORE, np.ones(4)) is None


def test_cross_entropy_is_one_for_certainty_and_zero_for_the_base_rate() -> None:
    assert normalised_cross_entropy(RIGHT, RIGHT) == pytest.approx(1.0, abs=1e-3)
    assert normalised_cross_entropy(np.full(4, 0.5), RIGHT) == pytest.approx(0.0)
    worse = normalised_cross_entropy(1 - RIGHT, RIGHT)
    assert worse is not None
    assert worse < 0
    assert normalised_cross_entropy(SCORE, np.zeros(4)) is None


def test_risk_follows_coverage_and_ties_are_accepted_in_no_order() -> None:
    coverage, risk = risk_coverage(SCORE, RIGHT)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk == pytest.approx([0.0, 0.5, 1 / 3, 0.5])
    assert area_under_risk_coverage(SCORE, RIGHT) == pytest.approx(np.mean([0, 0.5, 1 / 3, 0.5]))
    assert area_under_risk_coverage(np.ones(4), RIGHT) == 0.5


def test_accepted_error_is_relative_to_the_pools() -> None:
    errors, units = np.array([0, 1, 3, 4]), np.array([4, 4, 4, 4])
    assert accepted_error(SCORE, errors, units, 0.5) == pytest.approx((1 / 8) / (8 / 16))
    assert accepted_error(SCORE, np.zeros(4), units, 0.5) == 1.0
