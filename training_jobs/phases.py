"""What to do next with a training, from what is seen of it; and its phase on the row, moved by compare-and-swap."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from earmark.jobs.models import Status
from earmark.jobs.registry import Context
from earmark.jobs.running import LeaseLost
from training_jobs.launchers.launcher import DONE, STOPPED
from training_jobs.models import TrainingJob

Phase: TypeAlias = TrainingJob.Phase
Stop: TypeAlias = TrainingJob.Stop
URGENCY: dict[str, int] = {Stop.NO: 0, Stop.GENTLY: 1, Stop.HARD: 2}
AT_WORK = (Phase.PREPARING, Phase.RUNNING, Phase.STOPPING)
"""The phases of a training that has its devices."""
MOST_FRUITLESS = 5
"""Starts in a row that end without a new step before a training is given up."""


class Act(StrEnum):
    """What is to be done now."""

    START = "start"
    WAIT = "wait"
    STOP_GENTLY = "stop gently"
    STOP_HARD = "stop hard"
    KEEP = "keep"
    CANCEL = "cancel"
    FAIL = "fail"
    FAIL_FOR_SPACE = "fail for space"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of a training that holds its devices.

    `started`: something was started and not yet taken note of as ended; `code`: its exit code, None while it lives.
    `stop` is what people asked for, `told` what the trainer was told, `is_patient` whether it may still take its time.
    `fruitless`: starts in a row, this one included, that ended without a new step.
    """

    started: bool = False
    code: int | None = None
    has_model: bool = False
    stop: str = Stop.NO
    told: str = Stop.NO
    is_patient: bool = True
    fruitless: int = 0
    is_short_of_space: bool = False

    @property
    def lives(self) -> bool:
        """Whether a trainer may be at work."""
        return self.started and self.code is None


def next_act(seen: Seen) -> Act:
    """The one thing to do: never a second trainer beside a living one, never a start after a stop was asked for."""
    if seen.lives:
        return _of_the_living(seen)
    if seen.stop:
        return Act.CANCEL
    if seen.has_model:
        return Act.KEEP
    if seen.started and not _may_go_on(seen):
        return Act.FAIL
    return Act.FAIL_FOR_SPACE if seen.is_short_of_space else Act.START


def _of_the_living(seen: Seen) -> Act:
    wanted = seen.stop or (Stop.GENTLY if seen.is_short_of_space else Stop.NO)
    if wanted and seen.told == Stop.GENTLY and not seen.is_patient:
        wanted = Stop.HARD
    if URGENCY[wanted] <= URGENCY[seen.told]:
        return Act.WAIT
    return Act.STOP_HARD if wanted == Stop.HARD else Act.STOP_GENTLY


def _may_go_on(seen: Seen) -> bool:
    """Whether it ended as what can be taken up again ends: with a checkpoint, by a signal, or unseen."""
    assert seen.code is not None
    interrupted = seen.code == STOPPED or seen.code < DONE
    return interrupted and seen.fruitless < MOST_FRUITLESS


def move(
    training: TrainingJob,
    context: Context,
    *,
    among: Iterable[str],
    unless_stopped: bool = False,
    **fields: Any,
) -> None:
    """Write `fields` if the training is in one of the phases `among` and this attempt at its job still holds it.

    Raises LeaseLost where it does not, or `unless_stopped` where somebody asked for its end.
    """
    held = TrainingJob.objects.filter(
        pk=training.pk,
        phase__in=list(among),
        job=context.job_id,
        job__status=Status.RUNNING,
        job__attempt=context.attempt,
    )
    if unless_stopped:
        held = held.filter(stop=Stop.NO)
    if not held.update(**fields):
        raise LeaseLost
    for name, value in fields.items():
        setattr(training, name, value)
