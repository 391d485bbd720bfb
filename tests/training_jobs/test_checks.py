"""A launcher that cannot work is told of when the site starts."""

from tests.training_jobs.world import with_platform
from training_jobs.checks import launcher_is_there


def test_the_check_tells_of_a_launcher_that_cannot_work() -> None:
    assert launcher_is_there() == []
    with with_platform(launcher="sulrm"):
        (error,) = launcher_is_there()
    assert "training:launcher:unknown" in error.msg
    assert "slurm" in str(error.hint)
