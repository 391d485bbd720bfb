"""A run in memory: what it was given, what learns, and where it stands."""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from transformers import GlmAsrConfig

from earmark.speech.errors import EarmarkError
from earmark.speech.model_folder import find_folder, load_model
from training_jobs.recipe.adapters import adapt
from training_jobs.recipe.checkpoint import (
    Progress,
    State,
    checkpoints,
    load_checkpoint,
    put_aside,
    save_checkpoint,
)
from training_jobs.recipe.clip_audio import ClipAudio
from training_jobs.recipe.encoded_clips import EncodedClips
from training_jobs.recipe.gradient_guard import GradientGuard
from training_jobs.recipe.job_folder import Job
from training_jobs.recipe.learning_examples import ExampleMaker
from training_jobs.recipe.mean_teacher import make_teacher
from training_jobs.recipe.memory import frozen_type
from training_jobs.recipe.metrics import MetricsWriter
from training_jobs.recipe.prepare import JobData
from training_jobs.recipe.processes import Processes
from training_jobs.recipe.pseudo_labels import Interrupted, PseudoLabel
from training_jobs.recipe.schedules import Plan
from training_jobs.recipe.steps import Learner

logger = logging.getLogger(__name__)

_REPORT_SECONDS = 2.0
MOST_STEP_LINES = 20_000
"""Most lines of metrics that tell of single steps: of a longer run every second, third, ... step is told."""


@dataclass(frozen=True)
class Surroundings:
    """What a run is given beside its job: audio, a place for what it reports, threads, the processes that share it.

    `stopping` says when it is to stop.
    """

    audio: ClipAudio
    metrics: MetricsWriter
    pool: ThreadPoolExecutor
    processes: Processes
    stopping: Callable[[], bool]


@dataclass
class Run:
    """`labels` are the trusted hearings of the teacher's pass `labels_of_pass`, `replay` those of the base model.

    `voice`: the seconds of voice in the clips of the pool that were heard, by their ids.
    """

    data: JobData
    plan: Plan
    around: Surroundings
    learner: Learner
    examples: ExampleMaker
    progress: Progress = field(default_factory=Progress)
    replay: list[PseudoLabel] = field(default_factory=list)
    labels: list[PseudoLabel] = field(default_factory=list)
    labels_of_pass: int = 0
    voice: dict[str, float] = field(default_factory=dict)

    @property
    def job(self) -> Job:
        return self.data.job

    @property
    def audio(self) -> ClipAudio:
        return self.around.audio

    @property
    def processes(self) -> Processes:
        return self.around.processes

    def stopping(self) -> bool:
        """Whether the run was asked to stop. Where several share it the first is asked."""
        return self.processes.is_first and self.around.stopping()

    def report(self, stage: str, epoch: int, **values: float | int | str | bool | None) -> None:
        """One line of metrics, by the first process."""
        if self.processes.is_first:
            self.around.metrics.write(
                stage=stage, epoch=epoch, step=self.progress.step, steps_total=self.plan.total_steps, **values
            )

    def report_step(self, stage: str, epoch: int, **values: float) -> None:
        """The step just made, if it is one of those that are told."""
        if self.progress.step % told_every(self.plan.total_steps) == 0:
            self.report(stage, epoch, **values)

    def reporter(self, stage: str, epoch: int, total: int) -> Callable[[int], None]:
        """A function of the clips done so far that reports them, but not more often than every two seconds."""
        said = time.monotonic()

        def report(count: int) -> None:
            nonlocal said
            if time.monotonic() - said >= _REPORT_SECONDS:
                said = time.monotonic()
                self.report(stage, epoch, clips=count, clips_total=total)

        return report

    @property
    def state(self) -> State:
        """What a checkpoint holds."""
        learner = self.learner
        return State(learner.names, learner.student.model, learner.teacher.model, learner.optimiser)

    def save(self) -> None:
        """Write a checkpoint: the first process does, all have the same weights."""
        if self.processes.is_first:
            save_checkpoint(
                self.data.folder.checkpoint,
                self.state,
                progress=self.progress,
                guard=self.learner.guard.state(),
            )


def told_every(steps: int) -> int:
    """Every which step of a run of `steps` gets a line of metrics."""
    return max(1, -(-steps // MOST_STEP_LINES))


def open_run(data: JobData, around: Surroundings) -> Run:
    """Load model and audio, and take up the newest checkpoint that is whole, where there is one.

    Raises Interrupted while loading audio, and EarmarkError where model, audio or every checkpoint are not usable.
    """
    job = data.job
    torch.set_num_threads(job.threads or os.cpu_count() or 1)
    entries = [*data.labelled, *data.dev, *data.unlabelled]
    around.audio.check(entries)
    run = Run(data, data.plan, around, *_learning(job, around))
    resumed = _take_up(run)
    run.learner.student.model.train()
    if not job.recipe.adaptation.encoder:
        run.learner.student.model.model.audio_tower.eval()
    report = run.reporter("load", 0, len(entries))

    def kept(count: int) -> None:
        if run.stopping():
            raise Interrupted
        report(count)

    around.audio.keep(entries, kept)
    run.report("resumed" if resumed else "load", 0, clips=len(entries), clips_total=len(entries))
    return run


def _learning(job: Job, around: Surroundings) -> tuple[Learner, ExampleMaker]:
    adaptation, device = job.recipe.adaptation, around.processes.device or torch.device(job.device)
    config = GlmAsrConfig.from_pretrained(find_folder(job.base_model))
    student = load_model(job.base_model, str(device), frozen_type(config, job.precision))
    adapt(student, adaptation, seed=job.seed)
    teacher = replace(student, model=make_teacher(student.model))
    optimiser = torch.optim.AdamW(
        [one for one in student.model.parameters() if one.requires_grad],
        lr=job.recipe.learning_rate,
        weight_decay=job.recipe.weight_decay,
        fused=True,
    )
    guard = GradientGuard(job.recipe.guard_ratio)
    learner = Learner(
        student,
        teacher,
        optimiser,
        guard,
        job.recipe,
        job.precision,
        around.processes,
        job.micro_batch_seconds,
    )
    encoded = None
    if not adaptation.encoder:
        encoded = EncodedClips(student.model.model.audio_tower, device, job.audio_cache_mb)
    return learner, ExampleMaker(student, job.recipe.augmentation, encoded)


def _take_up(run: Run) -> bool:
    """Put back the newest checkpoint; a damaged one is reported and the one before it taken. False without any.

    The first process chooses; the others take what it has taken. Raises EarmarkError `training:checkpoint:unreadable`
    where no checkpoint is whole.
    """
    if not run.processes.is_first:
        run.processes.wait()
    known = checkpoints(run.data.folder.checkpoint)
    for path in known:
        try:
            run.progress, guard = load_checkpoint(path, run.state)
        except EarmarkError as error:
            if path == known[-1] or not run.processes.is_first:
                raise
            logger.warning("%s The one before it is taken: %s.", error.message, known[1].name)
            run.report("checkpoint", 0, damaged=path.name, message=error.message)
            put_aside(path)
            continue
        run.learner.guard.load(guard)
        break
    if run.processes.is_first:
        run.processes.wait()
    return bool(known)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the job folder; the system lets go of it when the process ends, however it ends.

    Raises EarmarkError `training:job:running` where another run holds it.
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
