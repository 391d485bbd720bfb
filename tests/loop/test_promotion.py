"""A new model takes the champion's place only where it is better, and no dialect pays for it."""

import pytest

from earmark.loop.promotion import judge
from training_jobs.models import Evaluation


def evaluation(error_rate: float, **dialects: float) -> Evaluation:
    slices = {"dialect": {name: {"error_rate": rate} for name, rate in dialects.items()}}
    return Evaluation(error_rate=error_rate, slices=slices)


OLD = evaluation(0.30, american=0.02, scottish=0.40)


@pytest.mark.parametrize(
    ("new", "promote", "reason"),
    [
        (evaluation(0.15, american=0.02, scottish=0.20), True, "was 0.300"),
        (evaluation(0.15, american=0.029, scottish=0.20), True, "was 0.300"),
        (evaluation(0.15, american=0.04, scottish=0.20), False, "american is worse by 0.020"),
        (evaluation(0.30, american=0.02, scottish=0.40), False, "no better"),
        (evaluation(0.31, american=0.01, scottish=0.43), False, "no better"),
    ],
)
def test_better_on_the_whole_and_no_dialect_worse(new: Evaluation, promote: bool, reason: str) -> None:
    verdict = judge(OLD, new)
    assert verdict.promote is promote
    assert reason in verdict.reason
