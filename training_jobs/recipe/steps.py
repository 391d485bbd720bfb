"""One optimiser step: losses on real labels and on pseudo-labels, their gradients, the teacher's average."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from earmark.speech.examples import training_batch
from earmark.speech.model_folder import LoadedModel
from training_jobs.recipe.augmentation import disturb, mask_features
from training_jobs.recipe.gradient_guard import GradientGuard, sample_gradient
from training_jobs.recipe.losses import consistency, cross_entropy, first_label_position
from training_jobs.recipe.recipes import Augmentation, Recipe


@dataclass(frozen=True)
class Example:
    """A clip to learn: samples float32 [n], the text, how much it counts."""

    samples: np.ndarray
    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Losses:
    """Mean losses per token of one part of a batch; `consistency` is 0 where there was none."""

    cross_entropy: float = 0.0
    consistency: float = 0.0


@dataclass(frozen=True)
class Learner:
    """The student that learns and the teacher that averages it, with what a step needs beside them."""

    student: LoadedModel
    teacher: LoadedModel
    optimiser: torch.optim.Optimizer
    guard: GradientGuard
    recipe: Recipe
    precision: str

    def autocast(self) -> torch.autocast:
        """Forward passes in bfloat16 where the job says so; weights, averages and losses stay float32."""
        return torch.autocast(
            self.student.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"
        )


def optimiser_step(
    learner: Learner,
    *,
    real: Sequence[Example],
    pseudo: Sequence[Example],
    replay: Sequence[Example],
    learning_rate: float,
    consistency_weight: float,
    rng: np.random.Generator,
) -> tuple[Losses, Losses | None, float]:
    """Learn from one batch, each part by its share of the clips; only pseudo-labels are held to the teacher.

    Returns the losses on real and on pseudo-labelled clips (None without any) and the gradient's norm before clipping.
    """
    learner.optimiser.zero_grad(set_to_none=True)
    clips = len(real) + len(pseudo) + len(replay)
    real_losses = _backward(learner, real, len(real) / clips, 0.0, rng)
    pseudo_losses: Losses | None = None
    if pseudo:
        of_real = sample_gradient(learner.student.model)
        pseudo_losses = _backward(learner, pseudo, len(pseudo) / clips, consistency_weight, rng)
        of_both = sample_gradient(learner.student.model)
        learner.guard.add(
            of_real * (clips / len(real)), len(real), (of_both - of_real) * (clips / len(pseudo)), len(pseudo)
        )
    if replay:
        _backward(learner, replay, len(replay) / clips, 0.0, rng)
    norm = torch.nn.utils.clip_grad_norm_(learner.student.model.parameters(), learner.recipe.clip_norm)
    for group in learner.optimiser.param_groups:
        group["lr"] = learning_rate
    learner.optimiser.step()
    return real_losses, pseudo_losses, float(norm)


def _backward(
    learner: Learner,
    examples: Sequence[Example],
    share: float,
    consistency_weight: float,
    rng: np.random.Generator,
) -> Losses:
    """Add `share` times the gradient of the mean loss over `examples`, a micro-batch at a time."""
    total, total_consistency = 0.0, 0.0
    size = learner.recipe.micro_batch_size
    for first in range(0, len(examples), size):
        part = examples[first : first + size]
        of_all = len(part) / len(examples)
        loss, apart = _losses(learner, part, with_teacher=consistency_weight > 0, rng=rng)
        (share * of_all * (loss + consistency_weight * apart)).backward()
        total += of_all * loss.item()
        total_consistency += of_all * apart.item()
    return Losses(total, total_consistency)


def _losses(
    learner: Learner, examples: Sequence[Example], *, with_teacher: bool, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy on disturbed audio, and the divergence from what the teacher expects of the clean audio."""
    texts = [example.text for example in examples]
    device = learner.student.device
    weights = torch.tensor([example.weight for example in examples], device=device)
    disturbed = [disturb(example.samples, learner.recipe.augmentation, rng) for example in examples]
    batch = masked(training_batch(learner.student, disturbed, texts), learner.recipe.augmentation, rng)
    with learner.autocast():
        logits, labels = next_token_logits(learner.student.model, batch)
    loss = cross_entropy(logits, labels, weights)
    if not with_teacher:
        return loss, torch.zeros((), device=device)
    clean = training_batch(learner.teacher, [example.samples for example in examples], texts)
    with learner.autocast(), torch.no_grad():
        expected, _ = next_token_logits(learner.teacher.model, clean)
    return loss, consistency(logits, expected, labels, weights)


def masked(
    batch: dict[str, torch.Tensor], options: Augmentation, rng: np.random.Generator
) -> dict[str, torch.Tensor]:
    """The batch with SpecAugment on its features."""
    frames = batch["input_features_mask"].sum(-1)
    return {**batch, "input_features": mask_features(batch["input_features"], frames, options, rng)}


def next_token_logits(
    model: torch.nn.Module, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [batch, time, vocabulary] and the labels [batch, time] they predict.

    Only the positions from the first label on: over the audio there is nothing to learn, and a vocabulary of
    59,000 there would fill the memory.
    """
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    first = first_label_position(batch["labels"])
    kept = batch["labels"].shape[1] - first + 1
    logits = model(**inputs, use_cache=False, logits_to_keep=kept).logits
    return logits[:, :-1], batch["labels"][:, first:]
