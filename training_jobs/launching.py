"""Which launcher starts trainings here: EARMARK_LAUNCHER, a name among TRAINING_LAUNCHERS or a dotted path."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from earmark.speech.errors import EarmarkError
from training_jobs.launchers.launcher import Launch, Launcher
from training_jobs.models import TrainingJob
from training_jobs.preparing import folder_of

QUEUES = {True: "gpu", False: "cpu"}
"""Where a training's job runs: beside the devices where the worker stays with the trainer, else where polling is."""


def launcher(name: str = "") -> Launcher:
    """The launcher of that name, the one that is set unless given.

    Raises EarmarkError `training:launcher:unknown`, `training:launcher:options`, or the launcher's own.
    """
    name = name or settings.EARMARK.launcher
    path = settings.TRAINING_LAUNCHERS.get(name, name)
    try:
        kind = import_string(path)
    except ImportError as error:
        raise EarmarkError(
            "training:launcher:unknown",
            f"There is no launcher {name!r}: {error}.",
            f"Set EARMARK_LAUNCHER to one of {', '.join(settings.TRAINING_LAUNCHERS)}, or to a dotted path.",
        ) from error
    options: dict[str, Any] = settings.EARMARK.launcher_options
    try:
        made: Launcher = kind(**options)
    except TypeError as error:
        raise EarmarkError(
            "training:launcher:options",
            f"The launcher {name!r} does not take the options {options!r}: {error}.",
            "Correct EARMARK_LAUNCHER_OPTIONS.",
        ) from error
    return made


def launcher_of(training: TrainingJob) -> Launcher:
    """The launcher that started `training`; the one that is set where nothing is started."""
    return launcher(training.handle.get("launcher", ""))


def queue() -> str:
    """The queue whose workers look after trainings. Raises as `launcher` does."""
    return QUEUES[launcher().stays]


def launch_of(training: TrainingJob) -> Launch:
    """The start that `training.handle` tells of."""
    return Launch(
        folder=folder_of(training),
        number=training.handle["number"],
        processes=training.processes,
        devices=tuple(training.handle["devices"]),
    )
