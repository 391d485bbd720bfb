"""One optimiser step: losses on real labels and on pseudo-labels, their gradients, the teacher's average."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from earmark.speech.errors import EarmarkError
from earmark.speech.model_folder import LoadedModel
from training_jobs.recipe.adapters import learned
from training_jobs.recipe.forward import next_tokens
from training_jobs.recipe.gradient_guard import GradientGuard, sample_gradient
from training_jobs.recipe.learning_examples import Example
from training_jobs.recipe.losses import consistency, cross_entropy
from training_jobs.recipe.processes import Processes
from training_jobs.recipe.recipes import Recipe

_FRAMES_PER_SECOND = 100


@dataclass(frozen=True)
class Losses:
    """Mean losses per token of one part of a batch; `consistency` is 0 where there was none."""

    cross_entropy: float = 0.0
    consistency: float = 0.0


@dataclass(frozen=True)
class Learner:
    """The student that learns and the teacher that averages it, with what a step needs beside them.

    `micro_batch_seconds` is the job's: most audio in one pass, 0 for no such limit.
    """

    student: LoadedModel
    teacher: LoadedModel
    optimiser: torch.optim.Optimizer
    guard: GradientGuard
    recipe: Recipe
    precision: str
    processes: Processes = field(default_factory=Processes)
    micro_batch_seconds: float = 0.0

    def autocast(self) -> torch.autocast:
        """Forward passes in bfloat16 where the job says so; what learns, averages and losses stay float32."""
        return torch.autocast(
            self.student.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"
        )

    @property
    def names(self) -> list[str]:
        """Of the parameters that learn."""
        return learned(self.student.model)


@dataclass(frozen=True)
class Part:
    """This process's clips of one kind in a batch.

    `share` of the batch's gradient is theirs, `tokens` is what the clips of all processes count together, and
    `consistency_weight` how far they are held to the teacher.
    """

    examples: Sequence[Example]
    share: float
    tokens: float
    consistency_weight: float = 0.0


def optimiser_step(
    learner: Learner,
    *,
    real: Sequence[Example],
    pseudo: Sequence[Example],
    replay: Sequence[Example],
    learning_rate: float,
    consistency_weight: float,
) -> tuple[Losses, Losses | None, float]:
    """Learn from one batch, each part by its share of the clips; only pseudo-labels are held to the teacher.

    The clips are this process's, what is returned is of all processes: the losses on real and on pseudo-labelled clips
    (None without any) and the gradient's norm before clipping. The parts share their passes through the model, unless
    the guard must see their gradients apart. Raises EarmarkError `training:loss:not-finite`, the weights untouched.
    """
    model, guard, all_of = learner.student.model, learner.guard, learner.processes
    learner.optimiser.zero_grad(set_to_none=True)
    counts = all_of.total([float(len(kind)) for kind in (real, pseudo, replay)])
    tokens = all_of.total([sum(one.tokens for one in kind) for kind in (real, pseudo, replay)])
    weights = (0.0, consistency_weight, 0.0)
    of_real, of_pseudo, of_replay = (
        Part(kind, count / sum(counts), all_tokens, weight)
        for kind, count, all_tokens, weight in zip(
            (real, pseudo, replay), counts, tokens, weights, strict=True
        )
    )
    if counts[1] and guard.ratio_limit > 0:
        found = _backward(learner, [of_real])
        before = all_of.sum_vector(sample_gradient(model))
        found += _backward(learner, [of_pseudo])
        added = all_of.sum_vector(sample_gradient(model)) - before
        guard.add(before / of_real.share, int(counts[0]), added / of_pseudo.share, int(counts[1]))
        found += _backward(learner, [of_replay])
    else:
        found = _backward(learner, [of_real, of_pseudo, of_replay])
    all_of.sum_gradients(model.parameters())
    sums = all_of.total([value for one in found for value in (one.cross_entropy, one.consistency)])
    norm = torch.nn.utils.clip_grad_norm_(
        [one for one in model.parameters() if one.grad is not None], learner.recipe.clip_norm
    )
    _require_finite(float(norm), sums)
    for group in learner.optimiser.param_groups:
        group["lr"] = learning_rate
    learner.optimiser.step()
    return Losses(*sums[:2]), Losses(*sums[2:4]) if counts[1] else None, float(norm)


def _require_finite(norm: float, losses: Sequence[float]) -> None:
    if not all(map(_is_finite, (norm, *losses))):
        told = ", ".join(f"{loss:g}" for loss in losses[::2])
        raise EarmarkError(
            "training:loss:not-finite",
            f"The losses on labelled, pseudo-labelled and replayed clips are {told}, the gradient's norm is {norm:g}: "
            "the weights would be lost and were left as they are.",
            "Lower learning_rate or clip_norm, or set precision to float32; the last checkpoint is kept. If it fails "
            "at once, listen to the clips of the batch.",
        )


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")


def _backward(learner: Learner, parts: Sequence[Part]) -> list[Losses]:
    """Add each part's share of the gradient of its mean losses, a micro-batch of all parts at a time."""
    totals = [Losses() for _ in parts]
    rows = [(example, at) for at, part in enumerate(parts) for example in part.examples]
    for chosen in micro_batches(rows, learner.recipe.micro_batch_size, learner.micro_batch_seconds):
        kinds = [at for _, at in chosen]
        held = [parts[at].consistency_weight > 0 for at in kinds]
        examples = [example for example, _ in chosen]
        scaled = []
        for at, (entropy, apart) in _losses(learner, examples, kinds, held).items():
            here = sum(one.tokens for one, kind in chosen if kind == at)
            of_part = here / max(parts[at].tokens, 1e-8)
            scaled.append(parts[at].share * of_part * (entropy + parts[at].consistency_weight * apart))
            totals[at] = Losses(
                totals[at].cross_entropy + of_part * entropy.item(),
                totals[at].consistency + of_part * apart.item(),
            )
        torch.stack(scaled).sum().backward()
    return totals


def micro_batches(
    rows: Sequence[tuple[Example, int]], clips: int, seconds: float
) -> list[list[tuple[Example, int]]]:
    """Rows in passes of at most `clips` clips and `seconds` of padded audio (0: any), neighbours in length together.

    A clip longer than that is alone. Where all fit in one pass they keep their order.
    """
    most = seconds * _FRAMES_PER_SECOND or float("inf")
    if len(rows) <= clips and sum(example.frames for example, _ in rows) <= most:
        return [list(rows)] if rows else []
    batches: list[list[tuple[Example, int]]] = []
    for row in sorted(rows, key=lambda one: -one[0].frames):
        last = batches[-1] if batches else []
        if not last or len(last) == clips or last[0][0].frames * (len(last) + 1) > most:
            batches.append([])
        batches[-1].append(row)
    return batches


def _losses(
    learner: Learner, examples: Sequence[Example], kinds: Sequence[int], held: Sequence[bool]
) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """By kind: cross-entropy on disturbed audio and, of the clips that are `held`, the divergence from the teacher.

    The teacher hears the clean audio. `kinds` and `held` go clip by clip.
    """
    device = learner.student.device
    with learner.autocast():
        heard = next_tokens(
            learner.student.model,
            [one.heard for one in examples],
            encoder_learns=learner.recipe.adaptation.encoder,
        )
    weights = torch.tensor([example.weight for example in examples], device=device)[heard.clips]
    kind = torch.tensor(kinds, device=device)[heard.clips]
    to_teacher = [one.clean for one, is_held in zip(examples, held, strict=True) if is_held and one.clean]
    apart = nothing = torch.zeros((), device=device)
    if to_teacher:
        with learner.autocast(), torch.no_grad():
            expected = next_tokens(learner.teacher.model, to_teacher)
        shared = torch.tensor(held, device=device)[heard.clips]
        apart = consistency(heard.logits[shared], expected.logits, weights[shared])
    return {
        at: (
            cross_entropy(heard.logits[kind == at], heard.labels[kind == at], weights[kind == at]),
            apart if held[kinds.index(at)] else nothing,
        )
        for at in dict.fromkeys(kinds)
    }
