"""One optimiser step: losses on real labels and on pseudo-labels, their gradients, the teacher's average."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from earmark.speech.examples import training_batch
from earmark.speech.model_folder import LoadedModel
from training_jobs.recipe.augmentation import disturb, mask_features
from training_jobs.recipe.gradient_guard import GradientGuard, sample_gradient
from training_jobs.recipe.losses import IGNORED, consistency, cross_entropy, first_label_position
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


@dataclass(frozen=True)
class Part:
    """Clips of one kind in a batch: what share of its gradient is theirs, and how far they are held to the teacher."""

    examples: Sequence[Example]
    share: float
    consistency_weight: float = 0.0


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
    The parts share their passes through the model, unless the guard must see their gradients apart.
    """
    learner.optimiser.zero_grad(set_to_none=True)
    clips = len(real) + len(pseudo) + len(replay)
    of_real, of_replay = Part(real, len(real) / clips), Part(replay, len(replay) / clips)
    of_pseudo = Part(pseudo, len(pseudo) / clips, consistency_weight)
    if pseudo and learner.guard.ratio_limit > 0:
        (real_losses,) = _backward(learner, [of_real], rng)
        before = sample_gradient(learner.student.model)
        (pseudo_losses,) = _backward(learner, [of_pseudo], rng)
        added = sample_gradient(learner.student.model) - before
        learner.guard.add(before * (clips / len(real)), len(real), added * (clips / len(pseudo)), len(pseudo))
        _backward(learner, [of_replay], rng)
    else:
        real_losses, pseudo_losses, _ = _backward(learner, [of_real, of_pseudo, of_replay], rng)
    norm = torch.nn.utils.clip_grad_norm_(learner.student.model.parameters(), learner.recipe.clip_norm)
    for group in learner.optimiser.param_groups:
        group["lr"] = learning_rate
    learner.optimiser.step()
    return real_losses, pseudo_losses if pseudo else None, float(norm)


def _backward(learner: Learner, parts: Sequence[Part], rng: np.random.Generator) -> list[Losses]:
    """Add each part's share of the gradient of its mean losses, a micro-batch of all parts at a time."""
    totals = [Losses() for _ in parts]
    rows = [(example, at) for at, part in enumerate(parts) for example in part.examples]
    size = learner.recipe.micro_batch_size
    for first in range(0, len(rows), size):
        chosen = rows[first : first + size]
        kinds = [at for _, at in chosen]
        held = [parts[at].consistency_weight > 0 for at in kinds]
        losses = _losses(learner, [example for example, _ in chosen], kinds, held, rng)
        scaled = []
        for at, (entropy, apart) in losses.items():
            of_part = kinds.count(at) / len(parts[at].examples)
            scaled.append(parts[at].share * of_part * (entropy + parts[at].consistency_weight * apart))
            totals[at] = Losses(
                totals[at].cross_entropy + of_part * entropy.item(),
                totals[at].consistency + of_part * apart.item(),
            )
        torch.stack(scaled).sum().backward()
    return totals


def _losses(
    learner: Learner,
    examples: Sequence[Example],
    kinds: Sequence[int],
    held: Sequence[bool],
    rng: np.random.Generator,
) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """By kind: cross-entropy on disturbed audio and, of the clips that are `held`, the divergence from the teacher.

    The teacher hears the clean audio. `kinds` and `held` go clip by clip.
    """
    device = learner.student.device
    options = learner.recipe.augmentation
    texts = [example.text for example in examples]
    disturbed = [disturb(example.samples, options, rng) for example in examples]
    batch = masked(training_batch(learner.student, disturbed, texts), options, rng)
    with learner.autocast():
        heard = next_tokens(learner.student.model, batch)
    weights = torch.tensor([example.weight for example in examples], device=device)[heard.clips]
    kind = torch.tensor(kinds, device=device)[heard.clips]
    to_teacher = [example for example, is_held in zip(examples, held, strict=True) if is_held]
    apart = torch.zeros((), device=device)
    if to_teacher:
        clean = training_batch(
            learner.teacher, [one.samples for one in to_teacher], [one.text for one in to_teacher]
        )
        with learner.autocast(), torch.no_grad():
            expected = next_tokens(learner.teacher.model, clean)
        shared = torch.tensor(held, device=device)[heard.clips]
        apart = consistency(heard.logits[shared], expected.logits, weights[shared])
    nothing = torch.zeros((), device=device)
    return {
        at: (
            cross_entropy(heard.logits[kind == at], heard.labels[kind == at], weights[kind == at]),
            apart if held[kinds.index(at)] else nothing,
        )
        for at in dict.fromkeys(kinds)
    }


def masked(
    batch: dict[str, torch.Tensor], options: Augmentation, rng: np.random.Generator
) -> dict[str, torch.Tensor]:
    """The batch with SpecAugment on its features."""
    frames = batch["input_features_mask"].sum(-1)
    return {**batch, "input_features": mask_features(batch["input_features"], frames, options, rng)}


@dataclass(frozen=True)
class NextTokens:
    """Every token a batch is to learn, clip by clip: `logits` [tokens, vocabulary], `labels` and `clips` [tokens]."""

    logits: torch.Tensor
    labels: torch.Tensor
    clips: torch.Tensor


def next_tokens(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> NextTokens:
    """What the model expects where `batch` has labels.

    Logits are made from the first label on only: over the audio there is nothing to learn, and a vocabulary of
    59,000 there would fill the memory.
    """
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    first = first_label_position(batch["labels"])
    kept = batch["labels"].shape[1] - first + 1
    logits = model(**inputs, use_cache=False, logits_to_keep=kept).logits[:, :-1]
    labels = batch["labels"][:, first:]
    clips, positions = (labels != IGNORED).nonzero(as_tuple=True)
    return NextTokens(logits[clips, positions], labels[clips, positions], clips)
