"""What a decoder thought of each token it wrote, and how the tokens are spelt."""

from collections.abc import Sequence
from typing import Any

import torch

from earmark.speech.engine import ENTROPY_CHOICES, TokenScore

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
_LEAST_LOGPROB = -100.0


def choice_scores(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of the likeliest token and entropy of the likeliest few (nats), over the last axis."""
    logprobs = scores.float().log_softmax(-1)
    best = logprobs.topk(min(ENTROPY_CHOICES, logprobs.shape[-1]), dim=-1).values
    few = best.log_softmax(-1)
    return best[..., 0], -(few.exp() * few.clamp(min=_LEAST_LOGPROB)).sum(-1)


class TokenSpeller:
    """Spells tokens one after the other; a token that ends inside a character is spelt with the one that ends it."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._alone: dict[int, str] = {}

    def scored(
        self, ids: Sequence[int], logprobs: Sequence[float], entropies: Sequence[float]
    ) -> tuple[TokenScore, ...]:
        """Each token with its spelling and what the model thought of it; special tokens are spelt empty."""
        scores, pending = [], list[int]()
        for token, logprob, entropy in zip(ids, logprobs, entropies, strict=False):
            pending.append(token)
            text = self._spell(pending)
            if text.endswith(_UNFINISHED):
                text = ""
            else:
                pending = []
            scores.append(TokenScore(token, text, float(logprob), float(entropy)))
        return tuple(scores)

    def _spell(self, ids: list[int]) -> str:
        if len(ids) > 1:
            return self._decode(ids)
        if ids[0] not in self._alone:
            self._alone[ids[0]] = self._decode(ids)
        return self._alone[ids[0]]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
