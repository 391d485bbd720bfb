"""Losses over the tokens a batch is to learn, and where those tokens are. Label -100 is no token."""

import torch
from torch.nn import functional

IGNORED = -100


def first_label_position(labels: torch.Tensor) -> int:
    """First column of `labels` [batch, time] where any row has a label; `time` where none has."""
    columns = (labels != IGNORED).any(dim=0).nonzero()
    return int(columns[0]) if len(columns) else labels.shape[1]


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean of the negative log-likelihood of `labels` [tokens] under `logits` [tokens, vocabulary].

    `weights` [tokens], at least 0, say how much each token counts; where nothing counts the loss is 0. Computed in
    float32.
    """
    return _weighted_mean(functional.cross_entropy(logits.float(), labels, reduction="none"), weights)


def consistency(student: torch.Tensor, teacher: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean of KL(teacher || student) over the same tokens; the teacher gets no gradient.

    Both logits are [tokens, vocabulary]; `weights` [tokens] as in `cross_entropy`.
    """
    target = functional.log_softmax(teacher.detach().float(), dim=-1)
    predicted = functional.log_softmax(student.float(), dim=-1)
    return _weighted_mean((target.exp() * (target - predicted)).sum(dim=-1), weights)


def _weighted_mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1e-8)
