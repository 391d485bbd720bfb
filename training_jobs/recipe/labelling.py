"""When the pool is heard, by whom, and what is trusted: the run's side of `pseudo_labels`."""

from collections import Counter
from dataclasses import replace

from earmark.speech.glm import GlmAsrEngine
from training_jobs.recipe.adapters import plain
from training_jobs.recipe.mean_teacher import copy_weights
from training_jobs.recipe.pseudo_labels import Hearing, accept, hear_pool
from training_jobs.recipe.run import Run
from training_jobs.recipe.schedules import MIXED, Epoch

BASE_PASS = 0


def hear_base(run: Run) -> None:
    """Before the first step: keep what the base model is sure of, to be replayed. Resumed, it is read back.

    No checkpoint is needed: until this is done the weights are still those of the base model.
    """
    recipe = run.job.recipe
    if not run.plan.replays:
        return
    hearings = _hear(run, BASE_PASS, range(len(run.data.unlabelled)), epoch=0)
    run.replay, _ = accept(hearings, score=recipe.pseudo_score, threshold=recipe.replay_threshold)
    if run.progress.step == 0:
        run.report("pseudo", 0, clips=len(hearings), clips_total=len(hearings), replayed=len(run.replay))


def refresh_labels(run: Run, epoch: Epoch) -> None:
    """Have the teacher hear the rest of the pool where this epoch begins with that, and know what is trusted."""
    progress, learner, recipe = run.progress, run.learner, run.job.recipe
    due = epoch.relabel or progress.paused
    if progress.step == epoch.first_step and due and progress.labelled_step != progress.step:
        if epoch.stage == MIXED and epoch.first_step == run.plan.mixed_start:
            copy_weights(learner.student.model, learner.teacher.model)
        learner.guard.reset()
        progress.paused = False
        progress.labelling_pass += 1
        progress.labelled_step = progress.step
        run.save()
    if progress.labelling_pass == run.labels_of_pass:
        return
    hearings, refused = take_up_labels(run, epoch=epoch.index)
    if progress.step == progress.labelled_step:
        run.report(
            "pseudo",
            epoch.index,
            clips=len(hearings),
            clips_total=len(hearings),
            accepted=len(run.labels),
            mean_score=sum(h.score(recipe.pseudo_score) for h in hearings) / max(1, len(hearings)),
            **{f"refused_{name}": count for name, count in sorted(refused.items())},
        )


def take_up_labels(run: Run, *, epoch: int) -> tuple[list[Hearing], Counter[str]]:
    """Know what is trusted of the newest pass over the pool: what of it is on disk is read, the rest is heard.

    Returns all that was heard, and how many hearings were refused for what.
    """
    recipe = run.job.recipe
    replayed = {label.index for label in run.replay}
    rest = [i for i in range(len(run.data.unlabelled)) if i not in replayed]
    hearings = _hear(run, run.progress.labelling_pass, rest, epoch=epoch)
    run.labels, refused = accept(hearings, score=recipe.pseudo_score, threshold=recipe.pseudo_threshold)
    run.labels_of_pass = run.progress.labelling_pass
    return hearings, refused


def know_labels(run: Run, *, epoch: int) -> None:
    """Know what is trusted of the newest pass where a run that was taken up again does not yet."""
    if run.progress.labelling_pass != run.labels_of_pass:
        take_up_labels(run, epoch=epoch)


def _hear(run: Run, number: int, indices: range | list[int], *, epoch: int) -> list[Hearing]:
    """All hearings of a pass: each process hears its share into a file of its own, then all are read."""
    run.data.folder.checkpoint.mkdir(exist_ok=True)
    engine = GlmAsrEngine(replace(plain(run.learner.teacher), aligner=None))
    processes = run.processes
    report = run.reporter("pseudo", epoch, len(indices))

    def heard(rank: int) -> list[Hearing]:
        part = f"-{rank}of{processes.count}" if processes.count > 1 else ""
        return hear_pool(
            run.data.folder.checkpoint / f"hearings-{number:03d}{part}.jsonl",
            run.data.unlabelled,
            indices[rank :: processes.count],
            run.audio,
            engine,
            batch_seconds=run.job.hearing_batch_seconds,
            report=lambda count: report(count * processes.count),
            stopping=run.stopping,
        )

    own = heard(processes.rank)
    processes.wait()
    others = [heard(rank) for rank in range(processes.count) if rank != processes.rank]
    return sorted((one for part in (own, *others) for one in part), key=lambda one: one.index)
