"""One training, from snapshot to registered model. Killed anywhere, it goes on from where it was."""

from django.conf import settings

from earmark.jobs.models import Status
from earmark.jobs.registry import Context, Later
from earmark.jobs.running import Cancelled
from earmark.recognition.models import ModelVersion
from training_jobs import devices, folders, trackers
from training_jobs.launchers import attendance
from training_jobs.launchers.launcher import Launcher
from training_jobs.launching import launch_of, launcher_of
from training_jobs.models import HeldDevice, TrainingJob
from training_jobs.phases import AT_WORK, Phase, Stop, move
from training_jobs.preparing import folder_of, prepare
from training_jobs.registering import register
from training_jobs.tending import tend

IN_LINE_SECONDS = 60.0


def train(training: TrainingJob, context: Context) -> ModelVersion:
    """Wait for a device, prepare the folder, have the trainer run, register its model.

    Raises Later while nobody needs to stay, Cancelled, and EarmarkError as `preparing.prepare` and `tending.tend` do.
    """
    if training.model is not None:
        folders.tidy(folder_of(training))
        return training.model
    name = training.handle.get("launcher") or settings.EARMARK.launcher
    launcher = launcher_of(training)
    _hold_devices(training, launcher, context)
    folder = prepare(training, context)
    tend(training, launcher, folder, context, name)
    move(training, context, among=AT_WORK, phase=Phase.REGISTERING)
    model = register(training, folder / "model")
    TrainingJob.objects.filter(pk=training.pk).update(model=model)
    folders.tidy(folder)
    return model


def _hold_devices(training: TrainingJob, launcher: Launcher, context: Context) -> None:
    """Have devices, or wait in the line. Those of another host are given back: its worker is dead.

    Raises Later, and Cancelled where the end of a training was asked for that has none.
    """
    here = devices.devices_here(stays=launcher.stays)
    held = set(HeldDevice.objects.filter(training_job=training).values_list("name", flat=True))
    if training.phase != Phase.WAITING and held and held <= set(here):
        if training.phase == Phase.REGISTERING:
            move(training, context, among=[Phase.REGISTERING], phase=Phase.RUNNING)
        return
    HeldDevice.objects.filter(training_job=training).delete()
    if training.stop != Stop.NO and not training.handle:
        raise Cancelled
    if training.stop != Stop.NO:
        move(training, context, among=Phase.values, phase=Phase.STOPPING)
        return
    move(training, context, among=Phase.values, phase=Phase.WAITING)
    if not devices.admit(training, here):
        context.progress(0, 0, f"waiting for {training.processes} of {', '.join(here)}")
        raise Later(IN_LINE_SECONDS)
    move(training, context, among=[Phase.WAITING], phase=Phase.PREPARING)


def over(training: TrainingJob, *, status: str) -> None:
    """The training ended as `status` says: its devices are free, trackers are told, nothing goes on unattended."""
    if status == Status.FAILED and training.handle and folder_of(training).is_dir():
        # a defect may have ended the job while its trainer lives elsewhere, on devices that cost money
        attendance.ask_to_stop(launch_of(training), hard=False)
    devices.give_back(training)
    trackers.close(training, status=status)


def called_off(*, training_job_id: int) -> None:
    """What follows when the job of a training has been cancelled."""
    over(TrainingJob.objects.get(pk=training_job_id), status=Status.CANCELLED)
