"""The likeliest token again and again, for a batch whose rows end at their own time.

What is kept of a step is the token, its log-probability and the scores of the likeliest few: O(rows x steps), where
the library's `output_scores` keeps the whole vocabulary of every step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from earmark.speech.engine import ENTROPY_CHOICES
from earmark.speech.language_model import Cache, prefill, step

_LEAVE_TOGETHER = 8
"""Rows leave when at least one in so many is finished: moving the cache together costs about a step."""
_STEPS_BETWEEN_LOOKS = 8
"""On an accelerator: each look at what was written waits for the device."""


@dataclass(frozen=True)
class Written:
    """One row: token ids up to and with the first end token or the cap, their log-probabilities and entropies."""

    ids: list[int]
    logprobs: np.ndarray
    entropies: np.ndarray


@dataclass(frozen=True)
class Step:
    """What one step wrote, on the model's device: `rows` of the batch int64 [b], their `tokens` int64 [b].

    `best` float32 [b, k]: scores of the likeliest k, highest first; `norm` [b]: log-sum-exp of all scores.
    """

    rows: np.ndarray
    tokens: torch.Tensor
    best: torch.Tensor
    norm: torch.Tensor


def write(
    model: Any, prompts: Sequence[torch.Tensor], caps: Sequence[int], ends: Sequence[int]
) -> list[Written]:
    """What the model writes behind each prompt [P, H]: at most `caps` tokens, up to a token of `ends`."""
    steps = list(greedy_steps(model, prompts, caps, ends))
    return written(steps, caps, ends)


def greedy_steps(
    model: Any, prompts: Sequence[torch.Tensor], caps: Sequence[int], ends: Sequence[int]
) -> Iterator[Step]:
    """The steps of `write` one by one. Rows that are finished may still be in a step; what they write is nothing."""
    lengths = [len(prompt) for prompt in prompts]
    longest = max(lengths)
    cache = Cache.for_prompts(model, lengths, longest + max(caps), prompts[0].dtype)
    padded = torch.stack([F.pad(prompt, (0, 0, longest - len(prompt), 0)) for prompt in prompts])
    scores = prefill(model, cache, padded)
    looks = 1 if scores.device.type == "cpu" else _STEPS_BETWEEN_LOOKS
    finishing = _Finishing(caps, ends)
    rows = np.arange(len(prompts))
    unseen: list[torch.Tensor] = []
    for number in range(1, max(caps) + 1):
        taken = _chosen(rows, scores)
        yield taken
        unseen.append(taken.tokens)
        if number % looks == 0:
            kept = finishing.look(rows, unseen, number)
            unseen.clear()
            if not len(kept):
                return
            if len(kept) < len(rows):
                where = torch.from_numpy(kept).to(scores.device)
                cache.keep(where)
                rows, taken = rows[kept], Step(rows[kept], taken.tokens[where], taken.best, taken.norm)
        if number < max(caps):
            scores = step(model, cache, taken.tokens)


class _Finishing:
    """Which rows are done: they wrote an end token, or as much as they may."""

    def __init__(self, caps: Sequence[int], ends: Sequence[int]) -> None:
        self._caps = np.array(caps)
        self._ends = np.array(ends)
        self._ended = np.zeros(len(caps), bool)

    def look(self, rows: np.ndarray, tokens: Sequence[torch.Tensor], steps: int) -> np.ndarray:
        """Places among `rows` that go on after `steps` steps, the last of which wrote `tokens`: all but none at all."""
        latest = torch.stack(list(tokens)).cpu().numpy()
        self._ended[rows] |= np.isin(latest, self._ends).any(0)
        self._ended[rows] |= self._caps[rows] <= steps
        going = np.flatnonzero(~self._ended[rows])
        if not len(going) or len(rows) - len(going) >= max(1, len(rows) // _LEAVE_TOGETHER):
            return going
        return np.arange(len(rows))


def _chosen(rows: np.ndarray, scores: torch.Tensor) -> Step:
    best = scores.topk(min(ENTROPY_CHOICES, scores.shape[-1]), dim=-1)
    return Step(rows, scores.argmax(-1), best.values, scores.logsumexp(-1))


def written(steps: Sequence[Step], caps: Sequence[int], ends: Sequence[int]) -> list[Written]:
    """What at least one step, or all of them, wrote in each row, up to its end or cap."""
    tokens = np.full((len(caps), len(steps)), ends[0])
    logprobs, entropies = (np.zeros((len(caps), len(steps)), np.float32) for _ in range(2))
    rows = np.concatenate([each.rows for each in steps])
    places = np.repeat(np.arange(len(steps)), [len(each.rows) for each in steps])
    best = torch.cat([each.best for each in steps])
    norm = torch.cat([each.norm for each in steps])
    tokens[rows, places] = torch.cat([each.tokens for each in steps]).cpu().numpy()
    logprobs[rows, places] = (best[:, 0] - norm).cpu().numpy()
    entropies[rows, places] = _entropy(best).cpu().numpy()
    ended = np.isin(tokens, np.array(ends))
    found = []
    for row, cap in enumerate(caps):
        length = min(cap, int(ended[row].argmax()) + 1 if ended[row].any() else len(steps))
        found.append(Written(tokens[row, :length].tolist(), logprobs[row, :length], entropies[row, :length]))
    return found


def _entropy(best: torch.Tensor) -> torch.Tensor:
    """Entropy in nats of the likeliest few, renormalised, over the last axis of their scores."""
    few = best.log_softmax(-1)
    return -(few.exp() * few.clamp(min=-100.0)).sum(-1)
