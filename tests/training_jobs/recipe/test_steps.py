"""One step: its parts weigh what they should, in one pass or apart."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.speech.model_folder import load_model
from tests.training_jobs.recipe.conftest import WORD, sound
from training_jobs.recipe.gradient_guard import GradientGuard
from training_jobs.recipe.learning_examples import Example, ExampleMaker
from training_jobs.recipe.recipes import Augmentation, Recipe
from training_jobs.recipe.steps import Learner, optimiser_step

STILL = Augmentation(speed=0, noise_chance=0, reverb_chance=0, frequency_masks=0, time_masks=0)
REAL = [(sound(0.6, 300.0), WORD), (sound(0.9, 400.0), "44")]
PSEUDO = [(sound(0.5, 500.0), WORD)]
REPLAY = [(sound(0.7, 600.0), "4"), (sound(0.8, 350.0), WORD), (sound(0.4, 450.0), "四")]


@pytest.fixture
def learner(one_word_model: Path) -> Learner:
    torch.set_num_threads(1)
    student, teacher = load_model(str(one_word_model)), load_model(str(one_word_model))
    with torch.no_grad():
        for parameter in teacher.model.parameters():
            parameter.mul_(1.05)
    optimiser = torch.optim.SGD(student.model.parameters(), lr=0.0)
    recipe = Recipe(augmentation=STILL, micro_batch_size=16, clip_norm=1e9)
    return Learner(student, teacher, optimiser, GradientGuard(0.0), recipe, "float32")


def _examples(learner: Learner, clips: Sequence[tuple[np.ndarray, str]]) -> list[Example]:
    make = ExampleMaker(learner.student, STILL)
    return [make(samples, text, rng=np.random.default_rng(0), taught=True) for samples, text in clips]


def _step(learner: Learner, pseudo: Sequence[tuple[np.ndarray, str]] = PSEUDO) -> tuple[object, ...]:
    found = optimiser_step(
        learner,
        real=_examples(learner, REAL),
        pseudo=_examples(learner, pseudo),
        replay=_examples(learner, REPLAY),
        learning_rate=0.0,
        consistency_weight=0.7,
    )
    return (*found, [p.grad.clone() for p in learner.student.model.parameters() if p.grad is not None])


def test_one_pass_and_passes_apart_learn_the_same(learner: Learner) -> None:
    real, pseudo, norm, gradients = _step(learner)
    apart = replace(copy.copy(learner), guard=GradientGuard(1e9))
    real_apart, pseudo_apart, norm_apart, gradients_apart = _step(apart)
    assert pseudo.consistency > 1e-4
    assert real.consistency == 0.0
    assert (learner.guard.real.steps, apart.guard.real.steps) == (0, 1)
    assert vars(real_apart) == pytest.approx(vars(real), rel=1e-4)
    assert vars(pseudo_apart) == pytest.approx(vars(pseudo), rel=1e-4)
    assert norm_apart == pytest.approx(norm, rel=1e-4)
    torch.testing.assert_close(gradients, gradients_apart, rtol=1e-3, atol=1e-6)


def test_without_pseudo_labels_their_losses_are_none(learner: Learner) -> None:
    real, pseudo, _, _ = _step(learner, [])
    assert pseudo is None
    assert real.cross_entropy > 0
