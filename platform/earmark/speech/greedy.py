"""The likeliest token again and again, in slots: a clip that is finished makes room for the next one.

What is kept of a step is the token, its log-probability and the scores of the likeliest few: O(rows x steps), where
the library's `output_scores` keeps the whole vocabulary of every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from earmark.speech.engine import ENTROPY_CHOICES
from earmark.speech.language_model import Cache, LanguageModel

_STEPS_BETWEEN_LOOKS = 8
"""On an accelerator: each look at what was written waits for the device."""
SPARE_PLACES = _STEPS_BETWEEN_LOOKS
"""What a row may write for nothing behind its cap."""
_FEWEST_SLOTS = 4


@dataclass(frozen=True)
class Written:
    """One row: token ids up to and with the first end token or the cap, their log-probabilities and entropies."""

    ids: list[int]
    logprobs: np.ndarray
    entropies: np.ndarray


@dataclass
class _Row:
    """What a slot is busy with: the caller's `key`, its cap, how many tokens it has written, places of its prompt."""

    key: int
    cap: int
    count: int
    prompt: int


class Decoder:
    """Up to `slots` rows that write at once, each of at most `room` places of prompt and answer.

    `caps` at most `longest` tokens; `ends` the tokens that end a row. For use in inference mode.
    """

    def __init__(
        self, model: LanguageModel, ends: Sequence[int], *, slots: int, room: int, longest: int
    ) -> None:
        self._model = model
        self._ends = torch.tensor(ends, device=model.device)
        self._cache = Cache.empty(model, slots, room)
        self._record = Record.empty(slots, longest, model.device)
        self._rows: dict[int, _Row] = {}
        self._looks = 1 if model.device.type == "cpu" else _STEPS_BETWEEN_LOOKS

    @property
    def busy(self) -> int:
        """Rows being written."""
        return len(self._rows)

    @property
    def free(self) -> int:
        """Slots for more."""
        return len(self._record.tokens) - len(self._rows)

    def admit(self, keys: Sequence[int], prompts: Sequence[torch.Tensor], caps: Sequence[int]) -> None:
        """Begin rows named `keys` behind prompts [P, H], of at most `caps` tokens; no more than are `free`."""
        empty = [slot for slot in range(len(self._record.tokens)) if slot not in self._rows][: len(keys)]
        lengths = [len(prompt) for prompt in prompts]
        for slot, *row in zip(empty, keys, caps, lengths, strict=True):
            self._rows[slot] = _Row(row[0], row[1], 1, row[2])
        slots, places = (torch.tensor(each, device=self._model.device) for each in (empty, lengths))
        scores, kept = self._model.read(pad_sequence(list(prompts), batch_first=True), places)
        self._cache.fill(slots, places, kept)
        self._record.begin(slots)
        self._record.write(slots, scores, self._ends)

    def step(self) -> None:
        """Every row writes one token more; on an accelerator several, those of finished rows for nothing."""
        for _ in range(self._looks):
            self._step()

    def leave(self) -> list[tuple[int, Written]]:
        """The rows that are finished, by key; they leave."""
        ended = self._record.ended.cpu().tolist()
        done = [slot for slot, row in self._rows.items() if ended[slot] or row.count >= row.cap]
        ends = self._ends.tolist()
        finished = []
        for slot in done:
            row = self._rows.pop(slot)
            finished.append((row.key, self._record.taken(slot, min(row.count, row.cap), ends)))
        return finished

    def so_far(self, key: int) -> Written:
        """What a row that is being written has so far."""
        slot = next(slot for slot, row in self._rows.items() if row.key == key)
        return self._record.taken(slot, self._rows[slot].count, self._ends.tolist())

    def shrink(self) -> None:
        """Give up half of the slots when they are free and no more rows will come, on a CPU."""
        slots = len(self._record.tokens)
        if self._looks > 1 or slots <= _FEWEST_SLOTS or 2 * len(self._rows) > slots:
            return
        kept = sorted(self._rows)
        kept += [slot for slot in range(slots) if slot not in self._rows][: slots // 2 - len(kept)]
        where = torch.tensor(kept, device=self._model.device)
        self._cache = self._cache.only(where, self._seen())
        self._record = self._record.only(where)
        self._rows = {new: self._rows[old] for new, old in enumerate(kept) if old in self._rows}

    def _step(self) -> None:
        record, cache = self._record, self._cache
        latest = record.latest
        scores = self._model.step(latest, cache, self._seen())
        cache.lengths.add_(1).clamp_(max=cache.room - 1)
        record.write(cache.slots, scores, self._ends)
        for row in self._rows.values():
            row.count += 1

    def _seen(self) -> int:
        """Places a step has to look at, the one it writes included."""
        if self._looks > 1:
            return self._cache.room
        return min(self._cache.room, max((row.prompt + row.count for row in self._rows.values()), default=1))


@dataclass
class Record:
    """What each slot has written: `tokens` [S, most], `scores` float32 [S, most, k + 1] and how many, `counts` [S].

    The scores are those of the likeliest k, highest first, and the log-sum-exp of all. `ended` bool [S]: an end token
    was among them. `latest` [S]: the newest token.
    """

    tokens: torch.Tensor
    scores: torch.Tensor
    counts: torch.Tensor
    ended: torch.Tensor
    latest: torch.Tensor

    @classmethod
    def empty(cls, slots: int, most: int, device: torch.device) -> "Record":
        """Nothing written; room for `most` tokens and a few that are written before a slot is looked at."""
        most += SPARE_PLACES
        return cls(
            torch.zeros(slots, most, dtype=torch.long, device=device),
            torch.zeros(slots, most, ENTROPY_CHOICES + 1, device=device),
            torch.zeros(slots, dtype=torch.long, device=device),
            torch.zeros(slots, dtype=torch.bool, device=device),
            torch.zeros(slots, dtype=torch.long, device=device),
        )

    def begin(self, slots: torch.Tensor) -> None:
        """Forget what `slots` wrote before."""
        self.counts[slots] = 0
        self.ended[slots] = False

    def write(self, slots: torch.Tensor, scores: torch.Tensor, ends: torch.Tensor) -> None:
        """Choose the likeliest of `scores` [s, V] for each of `slots` [s]."""
        best = scores.topk(min(ENTROPY_CHOICES, scores.shape[-1]), dim=-1).values
        tokens = scores.argmax(-1)
        at = self.counts[slots]
        self.tokens[slots, at] = tokens
        self.scores[slots, at, : best.shape[-1]] = best
        self.scores[slots, at, -1] = scores.logsumexp(-1)
        self.counts[slots] = (at + 1).clamp_(max=self.tokens.shape[1] - 1)
        self.ended[slots] |= (tokens[:, None] == ends).any(-1)
        self.latest[slots] = tokens

    def taken(self, slot: int, count: int, ends: Sequence[int]) -> Written:
        """The first `count` tokens of a slot, up to its first end token."""
        ids: list[int] = self.tokens[slot, :count].tolist()
        length = next((i + 1 for i, token in enumerate(ids) if token in ends), count)
        scores = self.scores[slot, :length].cpu().numpy()
        return Written(ids[:length], scores[:, 0] - scores[:, -1], _entropies(scores[:, :-1]))

    def only(self, slots: torch.Tensor) -> "Record":
        """Of these slots alone."""
        return Record(
            *(each[slots] for each in (self.tokens, self.scores, self.counts, self.ended, self.latest))
        )


def _entropies(best: np.ndarray) -> np.ndarray:
    """Entropy in nats of the likeliest few, renormalised, of their scores [n, k]."""
    weights = np.exp(best - best[:, :1])
    shares = weights / weights.sum(1, keepdims=True)
    return np.asarray(-(shares * np.log(np.maximum(shares, 1e-44))).sum(1))
