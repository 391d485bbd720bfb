"""When the pool is heard, by whom, and what is trusted: the run's side of `pseudo_labels` and `trust`."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from earmark.speech.glm import GlmAsrEngine
from training_jobs.recipe.adapters import plain
from training_jobs.recipe.balance import balanced
from training_jobs.recipe.hearing import Hearing
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.mean_teacher import copy_weights
from training_jobs.recipe.pseudo_labels import PseudoLabel, accept, hear_pool
from training_jobs.recipe.run import Run
from training_jobs.recipe.sampling import generator
from training_jobs.recipe.schedules import MIXED, Epoch
from training_jobs.recipe.trust import calibrated_on, scores

BASE_PASS = 0


@dataclass(frozen=True)
class Pass:
    """What one pass over the pool gave: the labels that are trusted, and what the others were refused for."""

    hearings: Sequence[Hearing]
    labels: list[PseudoLabel]
    refused: Counter[str]
    mean_trust: float

    @property
    def expected_error(self) -> float:
        """The error rate to expect of the trusted labels, where trust is calibrated."""
        return 1 - float(np.mean([label.trust for label in self.labels])) if self.labels else 0.0


def hear_base(run: Run) -> None:
    """Before the first step: keep what the base model is sure of, to be replayed. Resumed, it is read back.

    No checkpoint is needed: until this is done the weights are still those of the base model.
    """
    if not run.plan.replays:
        return
    drawn = _drawn(run, BASE_PASS)
    found = _trusted(run, BASE_PASS, drawn, threshold=run.job.recipe.replay_threshold, epoch=0)
    run.replay = found.labels
    if run.progress.step == 0:
        clips = len(found.hearings)
        run.report("pseudo", 0, clips=clips, clips_total=clips, replayed=len(run.replay))


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
    found = take_up_labels(run, epoch=epoch.index)
    if progress.step == progress.labelled_step:
        if run.processes.is_first:
            _keep_for_people(run, found)
        clips = len(found.hearings)
        values: dict[str, float] = {f"refused_{name}": n for name, n in sorted(found.refused.items())}
        if recipe.pseudo_score == "calibrated":
            values["expected_error"] = found.expected_error
        run.report(
            "pseudo",
            epoch.index,
            clips=clips,
            clips_total=clips,
            accepted=len(found.labels),
            mean_score=found.mean_trust,
            **values,
        )


def take_up_labels(run: Run, *, epoch: int) -> Pass:
    """Know what is trusted of the newest pass over the pool: what of it is on disk is read, the rest is heard."""
    number = run.progress.labelling_pass
    begun = run.plan.epoch_of(run.progress.labelled_step)
    found = _trusted(run, number, _drawn(run, number), threshold=begun.pseudo_threshold, epoch=epoch)
    run.labels, run.labels_of_pass = _balanced(run, found), run.progress.labelling_pass
    return found


def _balanced(run: Run, found: Pass) -> list[PseudoLabel]:
    """The labels of a pass as often as batches are to hold them until the next."""
    recipe, pool = run.job.recipe, run.data.unlabelled
    if not recipe.repeat_rare:
        return found.labels

    def kind(index: int) -> tuple[str, str]:
        return pool[index].language, pool[index].dialect

    return balanced(
        found.labels,
        [kind(label.index) for label in found.labels],
        Counter(kind(hearing.index) for hearing in found.hearings),
        count=run.plan.pseudo_from(run.progress.labelled_step),
        most_often=recipe.repeat_rare,
        rng=generator(run.job.seed, "balance", run.progress.labelling_pass),
    )


def _drawn(run: Run, number: int) -> list[int]:
    """The clips of the pool that pass `number` hears: of those that are not replayed as many as are of use."""
    replayed = {label.index for label in run.replay}
    rest = [i for i in range(len(run.data.unlabelled)) if i not in replayed]
    used = run.plan.replayed if number == BASE_PASS else run.plan.pseudo_from(run.progress.labelled_step)
    most = math.ceil(used * run.job.recipe.heard_per_used) or len(rest)
    order = generator(run.job.seed, "pass", number).permutation(len(rest))[:most]
    return [rest[i] for i in sorted(order.tolist())]


def _trusted(run: Run, number: int, indices: Sequence[int], *, threshold: float, epoch: int) -> Pass:
    """The pass `number` over the clips at `indices`, held against the recipe's score."""
    kind = run.job.recipe.pseudo_score
    pool = run.data.unlabelled
    hearings = _hear(run, "hearings", number, pool, indices, epoch=epoch)
    calibrator = None
    if kind == "calibrated":
        dev = run.data.dev
        of_dev = _hear(run, "dev-hearings", number, dev, range(len(dev)), epoch=epoch)
        calibrator = calibrated_on(of_dev, dev, generator(run.job.seed, "calibration", number))
    trust = scores(hearings, kind, calibrator).tolist()
    labels, refused = accept(hearings, trust, threshold=threshold)
    return Pass(hearings, labels, refused, float(np.mean(trust)) if trust else 0.0)


def _keep_for_people(run: Run, found: Pass) -> None:
    """What is trusted, a line of JSON a label, for whoever wants to look at it."""
    folder = run.data.folder.pseudo_labels
    folder.mkdir(exist_ok=True)
    lines = [
        json.dumps(
            {"id": run.data.unlabelled[label.index].id, "text": label.text, "trust": round(label.trust, 4)},
            ensure_ascii=False,
        )
        for label in found.labels
    ]
    path = folder / f"pass-{run.progress.labelling_pass:03d}.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def know_labels(run: Run, *, epoch: int) -> None:
    """Know what is trusted of the newest pass where a run that was taken up again does not yet."""
    if run.progress.labelling_pass != run.labels_of_pass:
        take_up_labels(run, epoch=epoch)


def _hear(
    run: Run, name: str, number: int, entries: Sequence[ClipEntry], indices: Sequence[int], *, epoch: int
) -> list[Hearing]:
    """All hearings of a pass: each process hears its share into a file of its own, then all are read."""
    run.data.folder.checkpoint.mkdir(exist_ok=True)
    engine = GlmAsrEngine(replace(plain(run.learner.teacher), aligner=None))
    processes = run.processes
    report = run.reporter("pseudo", epoch, len(indices))

    def heard(rank: int) -> list[Hearing]:
        part = f"-{rank}of{processes.count}" if processes.count > 1 else ""
        return hear_pool(
            run.data.folder.checkpoint / f"{name}-{number:03d}{part}.jsonl",
            entries,
            indices[rank :: processes.count],
            run.audio,
            engine,
            views=run.job.recipe.views,
            voice=run.voice,
            batch_seconds=run.job.hearing_batch_seconds,
            report=lambda count: report(count * processes.count),
            stopping=run.stopping,
        )

    own = heard(processes.rank)
    processes.wait()
    others = [heard(rank) for rank in range(processes.count) if rank != processes.rank]
    return sorted((one for part in (own, *others) for one in part), key=lambda one: one.index)
