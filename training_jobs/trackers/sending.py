"""What has been sent where, and what is next. A tracker that is away never stops a training: it is told later."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx
from django.conf import settings

from training_jobs.models import TrainingJob
from training_jobs.trackers.mlflow import MlflowTracker
from training_jobs.trackers.tensorboard import TensorBoardTracker

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
AT_A_TIME = 500
PLACES = ("stage", "epoch", "step", "steps_total", "time")
"""Values of a line that say where it stands; the others are figures."""


@dataclass(frozen=True)
class Point:
    """The figures of one line: `at` in seconds since 1970."""

    step: int
    at: float
    figures: dict[str, float]


@dataclass(frozen=True)
class About:
    """What a tracker is told of a training once."""

    name: str
    group: str
    settings: dict[str, str]


UNTAKEN = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, LookupError, TypeError)
"""What a tracker raises that is away, or answers in another way than it should."""
State = dict[str, Any]
"""What a tracker must remember of a training: JSON."""


class Tracker(Protocol):
    """Where figures go. May raise what UNTAKEN names: it is asked again later."""

    def send(self, about: About, points: Sequence[Point], state: State) -> None:
        """Add `points`; may note in `state` what it must remember."""

    def close(self, about: About, state: State, *, status: str) -> None:
        """Nothing more comes: the training ended as `status` (of a job) says."""


def configured() -> dict[str, Tracker]:
    """The trackers that are set, by name."""
    found: dict[str, Tracker] = {}
    if settings.EARMARK.tensorboard:
        found["tensorboard"] = TensorBoardTracker(Path(settings.EARMARK.tensorboard))
    if settings.EARMARK.mlflow_url:
        found["mlflow"] = MlflowTracker(settings.EARMARK.mlflow_url)
    return found


def send(training: TrainingJob, *, at_once: bool = False) -> None:
    """Send what is new of the training's figures to every tracker, not more often than every few seconds."""
    for name, tracker in configured().items():
        state: State = training.trackers.get(name, {"position": -1, "at": 0.0})
        while at_once or time.time() - state["at"] >= EVERY_SECONDS:
            lines = list(
                training.metrics.filter(position__gt=state["position"]).order_by("position")[:AT_A_TIME]
            )
            state["at"] = time.time()
            if not lines or not _told(
                name, state, partial(tracker.send, about(training), points(lines), state)
            ):
                break
            state["position"] = lines[-1].position
            _keep(training, name, state)
        _keep(training, name, state)


def close(training: TrainingJob, *, status: str) -> None:
    """Send the rest and say how it ended."""
    send(training, at_once=True)
    for name, tracker in configured().items():
        state: State = training.trackers.get(name, {"position": -1, "at": 0.0})
        _told(name, state, partial(tracker.close, about(training), state, status=status))
        _keep(training, name, state)


def points(lines: Sequence[Any]) -> list[Point]:
    """The numbers of each line; texts, lists and what is unknown are left out."""
    return [
        Point(
            line.step,
            float(line.values.get("time", 0.0)),
            {
                name: float(value)
                for name, value in line.values.items()
                if name not in PLACES and isinstance(value, int | float)
            },
        )
        for line in lines
    ]


def about(training: TrainingJob) -> About:
    """Name and settings of a training, for people."""
    told = {
        "recipe": training.recipe,
        "seed": training.seed,
        "base": training.base.name,
        "snapshot": training.snapshot.digest,
        **{f"set.{name}": value for name, value in training.overrides.items()},
        **{f"resources.{name}": value for name, value in training.resources.items()},
    }
    return About(
        name=f"{training.collection.slug}-{training.pk}",
        group=training.collection.slug,
        settings={name: str(value) for name, value in told.items()},
    )


def _told(name: str, state: State, tell: Callable[[], None]) -> bool:
    """Whether it could be told; why not is kept in `state`, for the page."""
    try:
        tell()
    except UNTAKEN as error:
        if state.get("error") != str(error):
            log.warning("%s did not take figures: %s", name, error)
        state["error"] = (str(error) or type(error).__name__)[:300]
        return False
    state.pop("error", None)
    return True


def _keep(training: TrainingJob, name: str, state: State) -> None:
    training.trackers = {**training.trackers, name: state}
    TrainingJob.objects.filter(pk=training.pk).update(trackers=training.trackers)
