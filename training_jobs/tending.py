"""Look after a training until its model is there: start the trainer, watch it, stop it, start it again.

Everything that must be known is on the row and in the job folder, so any worker takes over where another died.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db.models import F

from earmark.jobs.models import Job
from earmark.jobs.registry import Context, Later
from earmark.jobs.running import Cancelled, LeaseLost
from earmark.speech.errors import EarmarkError
from training_jobs import disk_space, trackers
from training_jobs.figures import copy_metrics
from training_jobs.launchers import attendance, trainer_process
from training_jobs.launchers.launcher import DONE, LOST, STOPPED, Launcher
from training_jobs.launching import launch_of
from training_jobs.models import TrainingJob
from training_jobs.phases import AT_WORK, Act, Phase, Seen, Stop, move, next_act
from training_jobs.stopping import MOST_ATTEMPTS

LOOK_SECONDS = 1.0
ASK_SECONDS = 10.0
PATIENCE_SECONDS = 600.0
"""How long a trainer may take to save its checkpoint before it is killed."""
ADOPTED_SECONDS = 600.0
"""How long a start whose worker died in the middle of it may take to show itself."""


def tend(training: TrainingJob, launcher: Launcher, folder: Path, context: Context, name: str) -> None:
    """Do what is next until the folder holds a model. `name` is the launcher's.

    Raises Later where nobody has to stay, Cancelled, and EarmarkError: the trainer's own, `training:child:*`,
    `training:disk:no-space` or `training:launcher:*`.
    """
    try:
        while True:
            _check(context)
            seen = _look(training, launcher, folder, context)
            match next_act(seen):
                case Act.KEEP:
                    return
                case Act.START:
                    _start(training, launcher, folder, context, seen, name)
                case Act.STOP_GENTLY:
                    _stop(training, launcher, context, Stop.GENTLY)
                case Act.STOP_HARD:
                    _stop(training, launcher, context, Stop.HARD)
                case Act.WAIT if launcher.stays:
                    time.sleep(LOOK_SECONDS)
                case Act.WAIT:
                    raise Later(ASK_SECONDS)
                case Act.CANCEL:
                    _put_down(training, folder, context, "cancelled")
                    raise Cancelled
                case Act.FAIL:
                    raise _failure(training, folder, context, seen)
                case Act.FAIL_FOR_SPACE:
                    _put_down(training, folder, context, "stopped: the disk is full")
                    raise disk_space.no_space(folder, disk_space.checkpoint_bytes(folder))
    finally:
        launcher.leave(training.handle)


def _check(context: Context) -> None:
    """Raise LeaseLost; that cancelling was asked for is seen on the row."""
    with suppress(Cancelled):
        context.check()


def _look(training: TrainingJob, launcher: Launcher, folder: Path, context: Context) -> Seen:
    handle, code, step = training.handle, None, -1
    newest = copy_metrics(training, folder)
    if newest:
        _tell(training, context, newest.values)
    trackers.send(training)
    if handle:
        before = dict(handle)
        code = _code(training, launcher)
        if code is None and handle != before:
            move(training, context, among=AT_WORK, handle=handle)
    if code is not None:
        copy_metrics(training, folder)
        trackers.send(training, at_once=True)
        last = training.metrics.order_by("-step").values_list("step", flat=True).first()
        step = -1 if last is None else last
    training.refresh_from_db(fields=["stop"])
    ended_fruitless = code is not None and step <= handle["step"]
    return Seen(
        started=bool(handle),
        code=code,
        has_model=(folder / "model").is_dir(),
        stop=training.stop,
        told=handle.get("told", Stop.NO),
        is_patient=time.time() - handle.get("told_at", 0.0) < PATIENCE_SECONDS,
        fruitless=training.fruitless + 1
        if ended_fruitless
        else 0
        if code is not None
        else training.fruitless,
        is_short_of_space=disk_space.is_short(folder),
    )


def _code(training: TrainingJob, launcher: Launcher) -> int | None:
    """The exit code; of a start whose worker died before it knew what it had started, as far as the folder tells."""
    launch, handle = launch_of(training), training.handle
    if handle.get("is_begun") or launcher.stays:
        return launcher.poll(launch, handle)
    if attendance.read(launch.folder, launch.number) is None:
        return LOST if time.time() - handle["at"] > ADOPTED_SECONDS else None
    return attendance.code_of(launch, handle)


def _tell(training: TrainingJob, context: Context, values: dict[str, Any]) -> None:
    """Show how far it is."""
    with suppress(Cancelled):
        context.progress(values["step"], values.get("steps_total", 0), values["stage"])
    if "time" in values:
        at = datetime.fromtimestamp(values["time"], UTC)
        TrainingJob.objects.filter(pk=training.pk).update(heard_at=at)


def _start(
    training: TrainingJob, launcher: Launcher, folder: Path, context: Context, seen: Seen, name: str
) -> None:
    """Start the trainer. What is about to be started is written down first: it is never started twice."""
    if training.handle:
        trainer_process.note(folder, f"start {training.handle['number']} ended with {_said(seen.code)}")
    last = training.metrics.order_by("-step").values_list("step", flat=True).first()
    number = training.starts + 1
    handle = {
        "launcher": name,
        "number": number,
        "devices": [one.name for one in training.held_devices.all()],
        "at": time.time(),
        "step": -1 if last is None else last,
        "log_from": trainer_process.log_size(folder),
        "told": Stop.NO.value,
    }
    try:
        move(
            training, context, among=AT_WORK, unless_stopped=True,
            phase=Phase.RUNNING, starts=number, handle=handle, fruitless=seen.fruitless,
        )  # fmt: skip
    except LeaseLost:
        if TrainingJob.objects.filter(pk=training.pk, stop=Stop.NO).exists():
            raise
        return
    if training.handle["number"] > 1 and not seen.fruitless:
        # what gets on is not given up, however often machines die under it
        Job.objects.filter(pk=context.job_id).update(max_attempts=F("attempt") + MOST_ATTEMPTS)
    launch = launch_of(training)
    where = ", ".join(launch.devices)
    trainer_process.note(folder, f"start {number} by {name}, {launch.processes} processes on {where}")
    attendance.forbid(folder, below=number)
    training.handle = {**handle, **launcher.start(launch), "is_begun": True}
    move(training, context, among=AT_WORK, handle=training.handle)


def _stop(training: TrainingJob, launcher: Launcher, context: Context, how: Stop) -> None:
    launch = launch_of(training)
    launcher.stop(launch, training.handle, hard=how == Stop.HARD)
    trainer_process.note(launch.folder, f"start {launch.number} is asked to end ({how.value})")
    told = {**training.handle, "told": how.value, "told_at": time.time()}
    move(training, context, among=AT_WORK, phase=Phase.STOPPING, handle=told)


def _put_down(training: TrainingJob, folder: Path, context: Context, why: str) -> None:
    """Nothing runs any more: the next start, if there is one, begins with a clean slate."""
    if folder.is_dir():
        trainer_process.note(folder, why)
    move(training, context, among=AT_WORK, handle={})


def _failure(training: TrainingJob, folder: Path, context: Context, seen: Seen) -> EarmarkError:
    code = DONE if seen.code is None else seen.code
    if code == DONE:
        error = EarmarkError(
            "training:child:no-model",
            "The trainer ended well and left no model.",
            "Retry the training; report it as a defect if it happens again.",
        )
    elif code in (STOPPED, LOST) or code < 0:
        error = EarmarkError(
            "training:child:interrupted",
            f"The trainer ended {seen.fruitless} times in a row without a new step, at last with {_said(code)}.",
            "Look for what kills it: the memory of the machine, or limits of the cluster. Then retry the training.",
        )
    else:
        error = trainer_process.told(folder, code=code, start=training.handle["log_from"])
    _put_down(training, folder, context, f"failed: {error.error_id}")
    return error


def _said(code: int | None) -> str:
    if code == STOPPED:
        return "a checkpoint"
    if code == LOST:
        return "no word"
    return f"signal {-code}" if code is not None and code < 0 else f"code {code}"
