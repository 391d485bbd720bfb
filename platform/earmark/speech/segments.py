"""The likeliest division of a clip into characters and pauses, for many clips at once.

A Viterbi search over segments rather than frames (a semi-Markov model: Ostendorf et al. 1996): how long a character
lasts has a probability of its own, so two equal characters in a row share their time, and where the sound says
little the divisions still fall where a speaker would put them. O(frames x characters x LONGEST), all of it in tensor
operations on the device of its input.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

LONGEST = 75
"""Most frames of one character: 1.5 s."""


@dataclass(frozen=True)
class Line:
    """One text over one clip of T frames: N characters with a pause before, after and, where allowed, between them.

    `characters` [T, N] and `pauses` [T]: log-scores of each character, of a pause, in every frame. `may_pause` bool
    [N]: whether a pause may come before the character. `durations` [N, LONGEST]: log-score of lasting 1, 2, ... frames.
    """

    characters: torch.Tensor
    pauses: torch.Tensor
    may_pause: torch.Tensor
    durations: torch.Tensor


def best_segments(lines: Sequence[Line]) -> list[np.ndarray | None]:
    """Of each line the first frame of every character and the frame after its last: int64 [N, 2].

    None where the characters do not fit into the frames. Lines share the work and do not change each other's result.
    """
    if not lines:
        return []
    frames = [len(line.pauses) for line in lines]
    counts = torch.tensor([line.characters.shape[1] for line in lines])
    search = _Search(lines, max(frames), int(counts.max()))
    for number in range(int(counts.max())):
        search.add(number, (counts > number).to(search.device))
    traces = search.traces()
    return [traces.back(i, count, frames[i]) for i, count in enumerate(counts.tolist())]


class _Search:
    """Scores [B, T + 1] of having said the characters so far by the start of each frame."""

    def __init__(self, lines: Sequence[Line], frames: int, characters: int) -> None:
        self.device = lines[0].pauses.device
        shape = (len(lines), frames + 1)
        self._pauses = torch.zeros(shape, device=self.device)
        self._said = torch.zeros((characters, *shape), device=self.device)
        self._may = torch.zeros((characters, len(lines), 1), dtype=torch.bool, device=self.device)
        self._durations = torch.zeros((characters, len(lines), LONGEST), device=self.device)
        for i, line in enumerate(lines):
            length, count = line.characters.shape
            self._pauses[i, 1 : length + 1] = line.pauses.cumsum(0)
            self._said[:count, i, 1 : length + 1] = line.characters.T.cumsum(1)
            self._may[:count, i, 0] = line.may_pause
            self._durations[:count, i] = line.durations.flip(1)
        self._score = torch.full(shape, -torch.inf, device=self.device)
        self._score[:, 0] = 0.0
        self._here = torch.arange(frames + 1, device=self.device).expand(shape)
        self._came: list[torch.Tensor] = []
        self._begun: list[torch.Tensor] = []

    def add(self, number: int, alive: torch.Tensor) -> None:
        """Say character `number` in the clips that have it."""
        rested, came = (self._score - self._pauses).cummax(1)
        may = self._may[number]
        paused = torch.where(may, rested + self._pauses, self._score)
        begun = F.pad(paused - self._said[number], (LONGEST, 0), value=-torch.inf)
        ways = begun.unfold(1, self._score.shape[1], 1)[:, :LONGEST] + self._durations[number, :, :, None]
        self._came.append(torch.where(may, came, self._here))
        self._begun.append(begun)
        self._score = torch.where(alive[:, None], ways.amax(1) + self._said[number], self._score)

    def traces(self) -> "_Traces":
        """What the way back needs, on the CPU."""
        rested = (self._score - self._pauses).cummax(1).indices
        came, begun = (_stacked(kept) for kept in (self._came, self._begun))
        durations = self._durations.cpu().numpy()
        return _Traces(self._score.cpu().numpy(), rested.cpu().numpy(), came, begun, durations)


@dataclass(frozen=True)
class _Traces:
    """`score`, `rested` [B, T + 1]: of all characters, and where the last pause began; `came` [N, B, T + 1]: where the
    pause before a character did; `begun` [N, B, LONGEST + T + 1]: scores of beginning it, without its own frames.
    """

    score: np.ndarray
    rested: np.ndarray
    came: np.ndarray
    begun: np.ndarray
    durations: np.ndarray

    def back(self, clip: int, count: int, frames: int) -> np.ndarray | None:
        """First frame and frame after of every character of a clip; None where they do not fit."""
        if not np.isfinite(self.score[clip, : frames + 1]).any():
            return None
        frame = int(self.rested[clip, frames])
        found = np.zeros((count, 2), np.int64)
        for number in range(count - 1, -1, -1):
            ways = self.begun[number, clip, frame : frame + LONGEST] + self.durations[number, clip]
            first = frame - LONGEST + int(ways.argmax())
            found[number] = first, frame
            frame = int(self.came[number, clip, first])
        return found


def _stacked(kept: Sequence[torch.Tensor]) -> np.ndarray:
    return torch.stack(tuple(kept)).cpu().numpy() if kept else np.empty(0, np.float32)
