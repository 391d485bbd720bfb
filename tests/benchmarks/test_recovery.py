import numpy as np
import pytest

from benchmarks.recovery import error_rates, recovery, recovery_lost
from earmark.speech.scoring import ErrorCounts


def _arm(rate: float, *, clips: int = 200) -> dict[int, list[ErrorCounts]]:
    """Two seeds; a clip of ten units has about `rate` times ten errors, the same clips hard in every arm."""
    arm = {}
    for seed in (1, 2):
        hardness = np.random.default_rng(seed).uniform(0.5, 1.5, clips)
        arm[seed] = [ErrorCounts(round(100 * rate * hard), 0, 0, 100) for hard in hardness]
    return arm


def test_recovery_is_the_share_of_the_gap_that_was_closed():
    found = recovery(_arm(0.20), _arm(0.05), _arm(0.04))
    assert found.value == pytest.approx(15 / 16, abs=0.02)
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.1
    assert recovery(_arm(0.2), _arm(0.2), _arm(0.04)).value == pytest.approx(0)


def test_what_garbage_costs_is_a_difference_of_recoveries():
    few, clean, spoilt, everything = _arm(0.20), _arm(0.06), _arm(0.08), _arm(0.04)
    lost = recovery_lost(few, clean, spoilt, everything)
    assert lost.value == pytest.approx(
        recovery(few, clean, everything).value - recovery(few, spoilt, everything).value
    )
    assert lost.low > 0


def test_the_interval_is_as_wide_as_seeds_differ():
    alike = error_rates({1: _arm(0.1)[1], 2: _arm(0.1)[2]})
    apart = error_rates({1: _arm(0.05)[1], 2: _arm(0.15)[2]})
    assert apart.high - apart.low > 5 * (alike.high - alike.low)
