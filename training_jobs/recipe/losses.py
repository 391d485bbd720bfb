"""Losses over next-token logits. Positions with label -100 do not count."""

import torch
from torch.nn import functional

IGNORED = -100


def first_label_position(labels: torch.Tensor) -> int:
    """First column of `labels` [batch, time] where any row has a label; `time` where none has."""
    columns = (labels != IGNORED).any(dim=0).nonzero()
    return int(columns[0]) if len(columns) else labels.shape[1]


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean negative log-likelihood per token, clips weighted by `weights` [batch].

    `logits` [batch, time, vocabulary] at position t predict `labels` [batch, time] at the same index t: the
    caller has shifted them. Computed in float32.
    """
    losses = functional.cross_entropy(
        logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    )
    return _weighted_mean(losses, labels, weights)


def consistency(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Mean KL(teacher || student) per token over the positions that have a label, clips weighted by
    `weights`.

    Both logits [batch, time, vocabulary] are for the same token positions; the teacher gets no gradient.
    """
    target = functional.log_softmax(teacher.detach().float(), dim=-1)
    predicted = functional.log_softmax(student.float(), dim=-1)
    divergence = (target.exp() * (target - predicted)).sum(dim=-1)
    return _weighted_mean(divergence, labels, weights)


def _weighted_mean(values: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    counted = (labels != IGNORED) * weights[:, None]
    return (values * counted).sum() / counted.sum().clamp_min(1e-8)
