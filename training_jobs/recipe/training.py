"""The training loop, from a job folder to a model folder. Read it from top to bottom.

Everything random is drawn from the seed and the place in the run (`sampling.generator`), and a checkpoint holds the
rest, so a run that was killed and taken up again ends in the same weights as one that was not.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

import torch
from safetensors.torch import load_file

from earmark.speech.model_folder import LoadedModel, save_model
from training_jobs.recipe.adapters import plain
from training_jobs.recipe.aligning import with_aligner
from training_jobs.recipe.calibrating import write_calibration
from training_jobs.recipe.checkpoint import best_path, load_weights, save_best, weights
from training_jobs.recipe.clip_audio import ClipAudio
from training_jobs.recipe.epoch_batches import upcoming_batches
from training_jobs.recipe.evaluation import DevError, dev_error
from training_jobs.recipe.labelling import hear_base, know_labels, refresh_labels
from training_jobs.recipe.mean_teacher import update_teacher
from training_jobs.recipe.metrics import MetricsWriter
from training_jobs.recipe.prefetching import background
from training_jobs.recipe.prepare import read_job_folder
from training_jobs.recipe.processes import sharing
from training_jobs.recipe.pseudo_labels import Interrupted
from training_jobs.recipe.run import Run, Surroundings, only_one, open_run
from training_jobs.recipe.sampling import generator
from training_jobs.recipe.schedules import MIXED, Epoch, consistency_weight, learning_rate, teacher_decay
from training_jobs.recipe.steps import optimiser_step
from training_jobs.recipe.watching import Saving, memory_explained, speed


def train(folder: Path, *, stopping: Callable[[], bool]) -> None:
    """Run, or take up again, the job in `folder` until its `model/` is complete.

    Raises Interrupted, a checkpoint saved, soon after `stopping` says so; EarmarkError where the job cannot be run.
    """
    data = read_job_folder(folder)
    if data.folder.model.exists():
        return
    job = data.job
    with (
        sharing(device=job.device, processes=job.processes) as processes,
        only_one(folder) if processes.is_first else nullcontext(),
        closing(MetricsWriter(data.folder.metrics if processes.is_first else Path(os.devnull))) as metrics,
        ClipAudio(folder, job.audio_cache_mb) as audio,
        background(job.processes) as pool,
        memory_explained(job),
    ):
        run = open_run(data, Surroundings(audio, metrics, pool, processes, stopping))
        hear_base(run)
        _loop(run)
        know_labels(run, epoch=run.plan.epochs[-1].index)
        if processes.is_first:
            _finish(run)


def _loop(run: Run) -> None:
    progress, learner, recipe, seed = run.progress, run.learner, run.job.recipe, run.job.seed
    epoch: Epoch | None = None
    saving = Saving(run)

    while progress.step < run.plan.total_steps and not progress.stopped_early:
        step, started = progress.step, time.monotonic()

        # --- a new epoch: pseudo-labels from the teacher, batches from the seed
        if epoch is None or step == epoch.end_step:
            epoch = run.plan.epoch_of(step)
            refresh_labels(run, epoch)
            upcoming = upcoming_batches(run, epoch)

        # --- one step
        torch.manual_seed(int(generator(seed, "torch", step, run.processes.rank).integers(2**31)))
        rate = learning_rate(recipe, step, run.plan.total_steps)
        batch = upcoming.take()
        real, pseudo, norm = optimiser_step(
            learner,
            real=batch.real,
            pseudo=[] if progress.paused else batch.pseudo,
            replay=batch.replay,
            learning_rate=rate,
            consistency_weight=consistency_weight(recipe, step, run.plan),
        )
        update_teacher(learner.teacher.model, learner.student.model, teacher_decay(recipe, epoch.steps))
        progress.step += 1
        progress.seconds += time.monotonic() - started

        # --- log
        values = {"loss": real.cross_entropy, "learning_rate": rate, "gradient_norm": norm}
        if pseudo:
            values |= {"pseudo_loss": pseudo.cross_entropy, "consistency_loss": pseudo.consistency}
            values |= {"variance_ratio": learner.guard.ratio}
        values |= speed(learner, batch.clips, time.monotonic() - started)
        run.report_step(epoch.stage, epoch.index, **values)

        # --- guard: pseudo-labels that pull apart are left out until the teacher has heard the pool again
        if pseudo and learner.guard.exceeded:
            progress.paused, progress.pauses = True, progress.pauses + 1
            run.report(epoch.stage, epoch.index, paused=True, variance_ratio=learner.guard.ratio)

        # --- evaluate
        if progress.step == epoch.end_step:
            _evaluate(run, epoch)

        # --- save
        if run.processes.any(run.stopping()):
            run.save()
            raise Interrupted
        saving.save_if_due()


def _evaluate(run: Run, epoch: Epoch) -> None:
    """Keep weights that are among the best on dev so far; stop where none has been better for long.

    Of weights that dev cannot tell apart the latest are kept: the rate has fallen and the averages are longer (the
    one-standard-error rule of Breiman et al. 1984, with a run's length for the size of a model).
    """
    progress, recipe = run.progress, run.job.recipe
    if not run.data.dev:
        return
    found = _dev_errors(run, epoch)
    name = min(found, key=lambda n: found[n].rate)
    rate = found[name].rate
    better = progress.lowest_error_rate is None or rate < progress.lowest_error_rate
    if progress.lowest_error_rate is None or better:
        progress.lowest_error_rate, progress.lowest_spread = rate, found[name].spread
    if rate <= progress.lowest_error_rate + recipe.keep_within * progress.lowest_spread:
        progress.best_error_rate, progress.best_step = rate, progress.step
        if run.processes.is_first:
            best = weights(_candidates(run, epoch)[name].model, run.learner.names)
            save_best(run.data.folder.checkpoint, progress.step, best)
    if epoch.stage == MIXED:
        progress.stale = 0 if better else progress.stale + 1
        progress.stopped_early = 0 < recipe.patience <= progress.stale
    run.report(
        epoch.stage,
        epoch.index,
        dev_error_rate=rate,
        best_error_rate=progress.best_error_rate,
        stopped_early=progress.stopped_early,
        **{f"dev_error_rate_{n}": one.rate for n, one in found.items()},
    )


def _dev_errors(run: Run, epoch: Epoch) -> dict[str, DevError]:
    """What each candidate gets wrong on dev. The first process listens and tells the others."""
    candidates = _candidates(run, epoch)
    values = [0.0] * (2 * len(candidates))
    if run.processes.is_first:
        seconds = run.job.hearing_batch_seconds
        found = [
            dev_error(plain(loaded), run.data.dev, run.audio, batch_seconds=seconds)
            for loaded in candidates.values()
        ]
        values = [value for one in found for value in (one.rate, one.spread)]
    told = iter(run.processes.told(values))
    return {name: DevError(next(told), next(told)) for name in candidates}


def _candidates(run: Run, epoch: Epoch) -> dict[str, LoadedModel]:
    """Whose weights may be the result: the student's, and in the mixed stage the teacher's."""
    models = {"student": run.learner.student, "teacher": run.learner.teacher}
    return models if epoch.stage == MIXED else {"student": models["student"]}


def _finish(run: Run) -> None:
    """Write `model/`: the best weights on dev, without dev clips the teacher or a warm-up's student; its aligner."""
    run.save()
    last = run.plan.epochs[-1]
    chosen = _candidates(run, last)["teacher" if last.stage == MIXED else "student"]
    if run.progress.best_step >= 0:
        best = load_file(best_path(run.data.folder.checkpoint, run.progress.best_step))
        load_weights(chosen.model, run.learner.names, best)
    chosen = with_aligner(run, plain(chosen))
    draft = run.data.folder.root / f"model-draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    save_model(chosen, draft)
    write_calibration(run, chosen)
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
