"""The training loop, from a job folder to a model folder. Read it from top to bottom.

Everything random is drawn from the seed and the place in the run (`sampling.generator`), and a checkpoint
holds the rest, so a run that was killed and taken up again ends in the same weights as one that was not.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from earmark.speech.errors import EarmarkError
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import LoadedModel, load_model, save_model
from training_jobs.recipe.checkpoint import (
    Progress,
    best_path,
    latest_checkpoint,
    load_checkpoint,
    load_weights,
    save_best,
    save_checkpoint,
)
from training_jobs.recipe.clip_audio import ClipAudio
from training_jobs.recipe.evaluation import dev_error_rate
from training_jobs.recipe.gradient_guard import GradientGuard
from training_jobs.recipe.job_folder import Job
from training_jobs.recipe.mean_teacher import copy_weights, make_teacher, update_teacher
from training_jobs.recipe.metrics import MetricsWriter
from training_jobs.recipe.prepare import JobData, read_job_folder
from training_jobs.recipe.pseudo_labels import Interrupted, PseudoLabel, accept, hear_pool
from training_jobs.recipe.sampling import batch_stream, generator
from training_jobs.recipe.schedules import (
    MIXED,
    Epoch,
    Plan,
    consistency_weight,
    learning_rate,
    teacher_decay,
)
from training_jobs.recipe.steps import Example, Learner, optimiser_step

_LOAD_REPORT_SECONDS = 2.0


@dataclass
class Run:
    """A run in memory: what it was given, what learns, where it stands."""

    data: JobData
    plan: Plan
    audio: ClipAudio
    metrics: MetricsWriter
    learner: Learner
    stopping: Callable[[], bool]
    progress: Progress = field(default_factory=Progress)
    labels: list[PseudoLabel] = field(default_factory=list)
    labels_of_pass: int = 0

    @property
    def job(self) -> Job:
        return self.data.job

    def report(self, stage: str, epoch: int, **values: float | int | str | bool | None) -> None:
        self.metrics.write(
            stage=stage, epoch=epoch, step=self.progress.step, steps_total=self.plan.total_steps, **values
        )


def train(folder: Path, *, stopping: Callable[[], bool]) -> None:
    """Run, or take up again, the job in `folder` until its `model/` is complete.

    Raises Interrupted, a checkpoint saved, soon after `stopping` says so; EarmarkError where the job cannot
    be run.
    """
    data = read_job_folder(folder)
    if data.folder.model.exists():
        return
    with (
        _only_one(folder),
        closing(MetricsWriter(data.folder.metrics)) as metrics,
        ClipAudio(folder, data.job.audio_cache_mb) as audio,
    ):
        run = _open(data, audio, metrics, stopping)
        _loop(run)
        _finish(run)


def _loop(run: Run) -> None:
    progress, recipe, seed = run.progress, run.job.recipe, run.job.seed
    epoch: Epoch | None = None
    saved_at = time.monotonic()

    while progress.step < run.plan.total_steps and not progress.stopped_early:
        step, started = progress.step, time.monotonic()

        # --- a new epoch: pseudo-labels from the teacher, batches from the seed
        if epoch is None or step == epoch.end_step:
            epoch = run.plan.epoch_of(step)
            _refresh_labels(run, epoch)
            real_batches, pseudo_batches = _batches(run, epoch)
        at = step - epoch.first_step

        # --- one step
        torch.manual_seed(int(generator(seed, "torch", step).integers(2**31)))
        real = [_example(run, i) for i in real_batches[at]]
        pseudo = (
            [_pseudo_example(run, i) for i in pseudo_batches[at]]
            if pseudo_batches and not progress.paused
            else []
        )
        rate = learning_rate(recipe, step, run.plan.total_steps)
        pull = consistency_weight(recipe, step, run.plan)
        real_losses, pseudo_losses, norm = optimiser_step(
            run.learner,
            real,
            pseudo,
            learning_rate=rate,
            consistency_weight=pull,
            rng=generator(seed, "disturb", step),
        )
        update_teacher(
            run.learner.teacher.model, run.learner.student.model, teacher_decay(recipe, epoch.steps)
        )
        progress.step += 1
        progress.seconds += time.monotonic() - started

        # --- log
        values: dict[str, float] = {
            "loss": real_losses.cross_entropy,
            "learning_rate": rate,
            "gradient_norm": norm,
        }
        if pseudo:
            values |= {
                "pseudo_loss": pseudo_losses.cross_entropy,
                "consistency_loss": pseudo_losses.consistency,
            }
            values |= {"variance_ratio": run.learner.guard.ratio}
        run.report(epoch.stage, epoch.index, **values)

        # --- guard: pseudo-labels that pull apart are left out until the teacher has heard the pool again
        if pseudo and run.learner.guard.exceeded:
            progress.paused, progress.pauses = True, progress.pauses + 1
            run.report(epoch.stage, epoch.index, paused=True, variance_ratio=run.learner.guard.ratio)

        # --- evaluate
        if progress.step == epoch.end_step:
            _evaluate(run, epoch)

        # --- save
        if run.stopping():
            _save(run)
            raise Interrupted
        if time.monotonic() - saved_at >= run.job.checkpoint_seconds:
            _save(run)
            saved_at = time.monotonic()


# ---------------------------------------------------------------- the beginning


def _open(data: JobData, audio: ClipAudio, metrics: MetricsWriter, stopping: Callable[[], bool]) -> Run:
    """Load model and audio, and take up the newest checkpoint where there is one."""
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
    said = time.monotonic()

    def kept(count: int) -> None:
        nonlocal said
        if stopping():
            raise Interrupted
        if time.monotonic() - said >= _LOAD_REPORT_SECONDS:
            said = time.monotonic()
            run.report("load", 0, clips=count, clips_total=len(entries))

    audio.keep(entries, kept)
    run.report("resumed" if checkpoint else "load", 0, clips=len(entries), clips_total=len(entries))
    return run


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


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the job folder; the system lets go of it when the process ends, however it ends."""
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


# ---------------------------------------------------------------- an epoch


def _refresh_labels(run: Run, epoch: Epoch) -> None:
    """Have the teacher hear the pool where this epoch begins with that, and know what is trusted."""
    progress, learner = run.progress, run.learner
    due = epoch.relabel or progress.paused
    if progress.step == epoch.first_step and due and progress.labelled_step != progress.step:
        if epoch.stage == MIXED and epoch.first_step == run.plan.mixed_start:
            copy_weights(learner.student.model, learner.teacher.model)
        learner.guard.reset()
        progress.paused = False
        progress.labelling_pass += 1
        progress.labelled_step = progress.step
        _save(run)
    if progress.labelling_pass == run.labels_of_pass:
        return
    said = time.monotonic()

    def heard(count: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _LOAD_REPORT_SECONDS:
            said = time.monotonic()
            run.report("pseudo", epoch.index, clips=count, clips_total=len(run.data.unlabelled))

    hearings = hear_pool(
        run.data.folder.checkpoint / f"hearings-{progress.labelling_pass:03d}.jsonl",
        run.data.unlabelled,
        run.audio,
        GlmAsrEngine(learner.teacher),
        batch_seconds=run.job.hearing_batch_seconds,
        report=heard,
        stopping=run.stopping,
    )
    run.labels, refused = accept(hearings, run.job.recipe.pseudo_threshold)
    run.labels_of_pass = progress.labelling_pass
    if progress.step != progress.labelled_step:
        return
    run.report(
        "pseudo",
        epoch.index,
        clips=len(hearings),
        clips_total=len(hearings),
        accepted=len(run.labels),
        mean_score=sum(h.score for h in hearings) / max(1, len(hearings)),
        **{f"refused_{name}": count for name, count in sorted(refused.items())},
    )


def _batches(run: Run, epoch: Epoch) -> tuple[list[list[int]], list[list[int]]]:
    """The epoch's batches of labelled clips and of pseudo-labels; without the latter real ones fill up."""
    seed, size = run.job.seed, epoch.real if run.labels else epoch.real + epoch.pseudo
    real = [entry.seconds for entry in run.data.labelled]
    pseudo = [run.data.unlabelled[label.index].seconds for label in run.labels]
    return (
        batch_stream(real, size, epoch.steps, generator(seed, "real", epoch.index)),
        batch_stream(pseudo, epoch.pseudo, epoch.steps, generator(seed, "pseudo", epoch.index)),
    )


def _example(run: Run, index: int) -> Example:
    entry = run.data.labelled[index]
    return Example(run.audio(entry), entry.text, entry.weight)


def _pseudo_example(run: Run, index: int) -> Example:
    label = run.labels[index]
    return Example(run.audio(run.data.unlabelled[label.index]), label.text)


def _evaluate(run: Run, epoch: Epoch) -> None:
    """Keep the weights where they are the best on dev so far; stop where they have not been for long."""
    progress = run.progress
    if not run.data.dev:
        return
    rates = {
        name: dev_error_rate(loaded, run.data.dev, run.audio, batch_seconds=run.job.hearing_batch_seconds)
        for name, loaded in _candidates(run, epoch)
    }
    name = min(rates, key=lambda n: rates[n])
    better = progress.best_error_rate is None or rates[name] < progress.best_error_rate
    if progress.best_error_rate is None or rates[name] <= progress.best_error_rate:
        progress.best_error_rate, progress.best_step = rates[name], progress.step
        save_best(run.data.folder.checkpoint, progress.step, dict(_candidates(run, epoch))[name].model)
    if epoch.stage == MIXED:
        progress.stale = 0 if better else progress.stale + 1
        progress.stopped_early = 0 < run.job.recipe.patience <= progress.stale
    run.report(
        epoch.stage,
        epoch.index,
        dev_error_rate=rates[name],
        best_error_rate=progress.best_error_rate,
        stopped_early=progress.stopped_early,
        **{f"dev_error_rate_{n}": rate for n, rate in rates.items()},
    )


def _candidates(run: Run, epoch: Epoch) -> Sequence[tuple[str, LoadedModel]]:
    """Whose weights may be the result: the student, and in the mixed stage the teacher."""
    both = [("student", run.learner.student), ("teacher", run.learner.teacher)]
    return both if epoch.stage == MIXED else both[:1]


# ---------------------------------------------------------------- the end


def _save(run: Run) -> None:
    save_checkpoint(
        run.data.folder.checkpoint,
        progress=run.progress,
        student=run.learner.student.model,
        teacher=run.learner.teacher.model,
        optimiser=run.learner.optimiser,
        guard=run.learner.guard.state(),
    )


def _finish(run: Run) -> None:
    """Write `model/`: the best weights on dev; without dev clips the teacher, or a warm-up's student."""
    _save(run)
    last = run.plan.epochs[-1]
    chosen = dict(_candidates(run, last))["teacher" if last.stage == MIXED else "student"]
    if run.progress.best_step >= 0:
        load_weights(chosen.model, load_file(best_path(run.data.folder.checkpoint, run.progress.best_step)))
    draft = run.data.folder.root / f"model-draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    save_model(chosen, draft)
    run.report(
        "final",
        last.index,
        best_error_rate=run.progress.best_error_rate,
        best_step=run.progress.best_step,
        pauses=run.progress.pauses,
        stopped_early=run.progress.stopped_early,
        train_seconds=run.progress.seconds,
    )
    draft.rename(run.data.folder.model)
