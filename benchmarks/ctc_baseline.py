"""The plain way to word times: a linear head trained by connectionist temporal classification, and its peaks."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from earmark.speech.alignment import encode_clips
from earmark.speech.model_folder import LoadedModel
from earmark.speech.spelling import spell

_BLANK = 0
_FRAME = 0.02
_BATCH = 32


class CtcHead(nn.Module):
    """Log-probabilities [T, B, classes] of the blank and of the characters seen in training."""

    def __init__(self, width: int, vocabulary: str) -> None:
        super().__init__()
        self.classes = {each: i + 1 for i, each in enumerate(vocabulary)}
        self.out = nn.Linear(width, len(vocabulary) + 1)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.out(frames).log_softmax(-1)
        return scores


def trained_ctc(
    loaded: LoadedModel, waveforms: Sequence[np.ndarray], texts: Sequence[str], *, seed: int, passes: int = 8
) -> CtcHead:
    """A head on the model's encoder, which is left as it is (AdamW, the rate falling linearly)."""
    frames = [
        each.clone()
        for start in range(0, len(waveforms), _BATCH)
        for each in encode_clips(loaded, waveforms[start : start + _BATCH])
    ]
    said = ["".join(word.characters for word in spell(text)) for text in texts]
    torch.manual_seed(seed)
    head = CtcHead(frames[0].shape[1], "".join(sorted(set("".join(said)))))
    targets = [torch.tensor([head.classes[each] for each in text]) for text in said]
    optimiser = torch.optim.AdamW(head.parameters(), lr=5e-3)
    order = torch.argsort(torch.tensor([len(each) for each in frames])).split(_BATCH)
    for done in range(passes * len(order)):
        batch = order[int(torch.randint(len(order), ()))].tolist()
        for group in optimiser.param_groups:
            group["lr"] = 5e-3 * (1 - done / (passes * len(order)))
        heard = head(nn.utils.rnn.pad_sequence([frames[i] for i in batch]))
        loss = nn.functional.ctc_loss(
            heard,
            torch.cat([targets[i] for i in batch]),
            torch.tensor([len(frames[i]) for i in batch]),
            torch.tensor([len(targets[i]) for i in batch]),
            zero_infinity=True,
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return head


@torch.inference_mode()
def ctc_times(
    loaded: LoadedModel, head: CtcHead, waveforms: Sequence[np.ndarray], texts: Sequence[str]
) -> list[Sequence[tuple[float, float]]]:
    """Start and end of every word, in seconds: half way between the last peak of one and the first of the next.

    The first starts, and the last ends, with its outermost peak. A character the head does not know may be any.
    """
    found: list[Sequence[tuple[float, float]]] = []
    for waveform, text in zip(waveforms, texts, strict=True):
        heard = head(encode_clips(loaded, [waveform])[0]).numpy()
        words = [word.characters for word in spell(text)]
        places = [head.classes.get(each, -1) for each in "".join(words)]
        peaks = iter(_peaks(heard, places))
        spans = [[next(peaks) for _ in word] for word in words]
        edges = [(a[-1] + b[0]) / 2 for a, b in pairwise(spans)]
        cuts = [spans[0][0] - 0.5, *edges, spans[-1][-1] + 0.5]
        found.append([(a * _FRAME, b * _FRAME) for a, b in pairwise(cuts)])
    return found


def _peaks(heard: np.ndarray, places: Sequence[int]) -> list[float]:
    """The middle frame of every character on the best path through characters and blanks."""
    known = np.concatenate([heard, heard[:, 1:].max(1, keepdims=True)], axis=1)
    states = [_BLANK]
    for place in places:
        states += [place, _BLANK]
    emissions = known[:, states]
    count = len(states)
    may_skip = np.array([i > 1 and i % 2 == 1 and states[i] != states[i - 2] for i in range(count)])
    score = np.full(count, -np.inf)
    score[:2] = emissions[0, :2]
    moves = np.zeros((len(heard), count), int)
    for t in range(1, len(heard)):
        one, two = np.r_[-np.inf, score[:-1]], np.r_[-np.inf, -np.inf, score[:-2]]
        ways = np.stack([score, one, np.where(may_skip, two, -np.inf)])
        moves[t] = ways.argmax(0)
        score = ways.max(0) + emissions[t]
    state = count - 1 if score[-1] > score[-2] else count - 2
    frames: list[list[int]] = [[] for _ in places]
    for t in range(len(heard) - 1, -1, -1):
        if state % 2:
            frames[state // 2].append(t)
        state -= int(moves[t, state])
    return [float(np.mean(each)) if each else len(heard) / 2 for each in frames]
