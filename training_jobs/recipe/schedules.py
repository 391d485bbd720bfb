"""What changes while a run goes on, as pure functions of the step."""

import math
from dataclasses import dataclass

from training_jobs.recipe.recipes import Recipe

WARM_UP = "warm-up"
MIXED = "mixed"


@dataclass(frozen=True)
class Epoch:
    """`steps` optimiser steps from `first_step`, each on so many labelled, pseudo-labelled and replayed clips.

    `relabel` says that the teacher hears the pool before it; `pseudo_threshold` is the least trust it accepts then.
    """

    index: int
    stage: str
    first_step: int
    steps: int
    real: int
    pseudo: int
    replay: int
    relabel: bool
    pseudo_threshold: float

    @property
    def end_step(self) -> int:
        return self.first_step + self.steps


@dataclass(frozen=True)
class Plan:
    """Every epoch of a run, known before it starts."""

    epochs: tuple[Epoch, ...]

    @property
    def total_steps(self) -> int:
        return self.epochs[-1].end_step

    @property
    def mixed_start(self) -> int:
        """First step of the mixed stage; `total_steps` where there is none."""
        return next((e.first_step for e in self.epochs if e.stage == MIXED), self.total_steps)

    @property
    def replays(self) -> bool:
        """Whether what the base model is sure of is kept."""
        return any(e.replay for e in self.epochs)

    @property
    def labelling_passes(self) -> int:
        """How often the pool is heard, unless the guard asks for more."""
        return sum(e.relabel for e in self.epochs) + self.replays

    @property
    def replayed(self) -> int:
        """How many clips of the whole run's batches are replayed."""
        return sum(e.replay * e.steps for e in self.epochs)

    def pseudo_from(self, step: int) -> int:
        """How many clips of the batches between a labelling pass before `step` and the next are pseudo-labelled."""
        later = [e for e in self.epochs if e.first_step >= step]
        until = next((e.first_step for e in later if e.relabel and e.first_step > step), self.total_steps)
        return sum(e.pseudo * e.steps for e in later if e.first_step < until)

    def epoch_of(self, step: int) -> Epoch:
        return next(e for e in self.epochs if e.first_step <= step < e.end_step)


def make_plan(recipe: Recipe, *, labelled: int, unlabelled: int) -> Plan:
    """The epochs of a run over that many clips; without unlabelled ones mixed epochs hold labelled ones only."""
    epochs: list[Epoch] = []
    step = 0
    for index in range(recipe.warm_up_epochs + recipe.mixed_epochs):
        mixed = index - recipe.warm_up_epochs
        share = pseudo_share(recipe, mixed) if mixed >= 0 and unlabelled else 0.0
        real, pseudo, replay = split_batch(
            recipe.batch_size, share, recipe.replay_share if unlabelled else 0.0
        )
        steps = recipe.epoch_steps or math.ceil(labelled / real)
        relabel = unlabelled > 0 and relabels_before(recipe, mixed)
        stage = MIXED if mixed >= 0 else WARM_UP
        threshold = pseudo_threshold(recipe, max(0, mixed))
        epochs.append(Epoch(index, stage, step, steps, real, pseudo, replay, relabel, threshold))
        step += steps
    return Plan(tuple(epochs))


def pseudo_share(recipe: Recipe, mixed_epoch: int) -> float:
    """Share of pseudo-labelled clips in the batches of that mixed epoch (0 is the first)."""
    return _between(recipe.pseudo_share_start, recipe.pseudo_share_end, mixed_epoch, recipe)


def pseudo_threshold(recipe: Recipe, mixed_epoch: int) -> float:
    """Least trust of what is accepted before that mixed epoch."""
    end = max(0.0, recipe.pseudo_threshold - recipe.pseudo_threshold_fall)
    return _between(recipe.pseudo_threshold, end, mixed_epoch, recipe)


def _between(start: float, end: float, mixed_epoch: int, recipe: Recipe) -> float:
    """From `start` in the first mixed epoch to `end` in the last, linearly."""
    done = mixed_epoch / (recipe.mixed_epochs - 1) if recipe.mixed_epochs > 1 else 0.0
    return start + done * (end - start)


def split_batch(batch_size: int, pseudo_share: float, replay_share: float) -> tuple[int, int, int]:
    """Labelled, pseudo-labelled and replayed clips in a batch: at least one of each whose share is over 0."""
    pseudo = max(round(batch_size * pseudo_share), 1 if pseudo_share > 0 else 0)
    replay = max(round(batch_size * replay_share), 1 if replay_share > 0 else 0)
    real = max(batch_size - pseudo - replay, 1)
    return real, pseudo, replay


def relabels_before(recipe: Recipe, mixed_epoch: int) -> bool:
    """Whether the teacher hears the pool before that mixed epoch (negative: an epoch of the warm-up)."""
    if mixed_epoch <= 0 or recipe.relabel_epochs == 0:
        return mixed_epoch == 0
    return mixed_epoch % recipe.relabel_epochs == 0


def learning_rate(recipe: Recipe, step: int, total_steps: int) -> float:
    """Linear rise from 0, then a cosine fall to `final_share` of the peak at the last step."""
    rise = max(1, round(recipe.rise_share * total_steps))
    if step < rise:
        return recipe.learning_rate * (step + 1) / rise
    done = (step + 1 - rise) / max(1, total_steps - rise)
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return recipe.learning_rate * (recipe.final_share + (1 - recipe.final_share) * fall)


def consistency_weight(recipe: Recipe, step: int, plan: Plan) -> float:
    """0 in the warm-up, then the rise exp(-5 (1 - t)^2) of Tarvainen and Valpola (2017), then constant."""
    if step < plan.mixed_start:
        return 0.0
    rise = recipe.consistency_rise_share * (plan.total_steps - plan.mixed_start)
    if rise == 0:
        return recipe.consistency_weight
    done = min(1.0, (step - plan.mixed_start) / rise)
    return recipe.consistency_weight * math.exp(-5 * (1 - done) ** 2)


def teacher_decay(recipe: Recipe, epoch_steps: int) -> float:
    """Decay of the teacher's average per step.

    Where `teacher_keep_per_epoch` w is set: w^(1 / steps per epoch), as in momentum pseudo-labelling (Higuchi
    2021).
    """
    if recipe.teacher_keep_per_epoch:
        return float(recipe.teacher_keep_per_epoch ** (1 / epoch_steps))
    return recipe.teacher_decay
