"""A run in memory: what it was given, what learns, and where it stands."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from earmark.speech.errors import EarmarkError
from earmark.speech.model_folder import load_model
from training_jobs.recipe.checkpoint import Progress, latest_checkpoint, load_checkpoint, save_checkpoint
from training_jobs.recipe.clip_audio import ClipAudio
from training_jobs.recipe.gradient_guard import GradientGuard
from training_jobs.recipe.job_folder import Job
from training_jobs.recipe.mean_teacher import make_teacher
from training_jobs.recipe.metrics import MetricsWriter
from training_jobs.recipe.prepare import JobData
from training_jobs.recipe.pseudo_labels import Interrupted, PseudoLabel
from training_jobs.recipe.schedules import Plan
from training_jobs.recipe.steps import Learner

_REPORT_SECONDS = 2.0


@dataclass
class Run:
    """`labels` are the trusted hearings of the teacher's pass `labels_of_pass`, `replay` those of the base model.

    `voice`: the seconds of voice in the clips of the pool that were heard, by their ids.
    """

    data: JobData
    plan: Plan
    audio: ClipAudio
    metrics: MetricsWriter
    learner: Learner
    stopping: Callable[[], bool]
    progress: Progress = field(default_factory=Progress)
    replay: list[PseudoLabel] = field(default_factory=list)
    labels: list[PseudoLabel] = field(default_factory=list)
    labels_of_pass: int = 0
    voice: dict[str, float] = field(default_factory=dict)

    @property
    def job(self) -> Job:
        return self.data.job

    def report(self, stage: str, epoch: int, **values: float | int | str | bool | None) -> None:
        """One line of metrics."""
        self.metrics.write(
            stage=stage, epoch=epoch, step=self.progress.step, steps_total=self.plan.total_steps, **values
        )

    def reporter(self, stage: str, epoch: int, total: int) -> Callable[[int], None]:
        """A function of the clips done so far that reports them, but not more often than every two seconds."""
        said = time.monotonic()

        def report(count: int) -> None:
            nonlocal said
            if time.monotonic() - said >= _REPORT_SECONDS:
                said = time.monotonic()
                self.report(stage, epoch, clips=count, clips_total=total)

        return report

    def save(self) -> None:
        """Write a checkpoint."""
        save_checkpoint(
            self.data.folder.checkpoint,
            progress=self.progress,
            student=self.learner.student.model,
            teacher=self.learner.teacher.model,
            optimiser=self.learner.optimiser,
            guard=self.learner.guard.state(),
        )


def open_run(data: JobData, audio: ClipAudio, metrics: MetricsWriter, stopping: Callable[[], bool]) -> Run:
    """Load model and audio, and take up the newest checkpoint where there is one.

    Raises Interrupted while loading audio, and EarmarkError where device, model, audio or checkpoint are not usable.
    """
    job = data.job
    torch.set_num_threads(job.threads or os.cpu_count() or 1)
    _require_device(job.device)
    entries = [*data.labelled, *data.dev, *data.unlabelled]
    audio.check(entries)
    student = load_model(job.base_model, job.device, torch.float32)
    teacher = replace(student, model=make_teacher(student.model))
    optimiser = torch.optim.AdamW(
        student.model.parameters(), lr=job.recipe.learning_rate, weight_decay=job.recipe.weight_decay
    )
    guard = GradientGuard(job.recipe.guard_ratio)
    learner = Learner(student, teacher, optimiser, guard, job.recipe, job.precision)
    run = Run(data, data.plan, audio, metrics, learner, stopping)
    checkpoint = latest_checkpoint(data.folder.checkpoint)
    if checkpoint:
        run.progress, guard_state = load_checkpoint(
            checkpoint, student=student.model, teacher=teacher.model, optimiser=optimiser
        )
        guard.load(guard_state)
    student.model.train()
    report = run.reporter("load", 0, len(entries))

    def kept(count: int) -> None:
        if stopping():
            raise Interrupted
        report(count)

    audio.keep(entries, kept)
    run.report("resumed" if checkpoint else "load", 0, clips=len(entries), clips_total=len(entries))
    return run


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the job folder; the system lets go of it when the process ends, however it ends.

    Raises EarmarkError `training:job:running` where another process holds it.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EarmarkError(
                "training:job:running",
                f"Another trainer is running the job in {folder}.",
                "Let it finish or end it.",
            ) from error
        yield


def _require_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise EarmarkError(
            "training:device:unavailable",
            "The job asks for a GPU and this machine has none.",
            "Set device to cpu.",
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise EarmarkError(
            "training:launch:distributed",
            f"The trainer was launched as {os.environ['WORLD_SIZE']} processes; it runs as one.",
            "Start it with python -m training_jobs.recipe.",
        )
