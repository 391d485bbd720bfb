"""The likeliest token again and again, in slots: a clip that is finished makes room for the next one.

What is kept of a step is the token, its log-probability and the scores of the likeliest few: O(rows x steps), where
the library's `output_scores` keeps the whole vocabulary of every step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from earmark.speech.cpu_language_model import GraphedLanguageModel
from earmark.speech.cuda_graph import captured
from earmark.speech.engine import ENTROPY_CHOICES
from earmark.speech.language_model import Chosen, LanguageModel

_STEPS_BETWEEN_LOOKS = 8
"""Each look at what was written waits for an accelerator."""
SPARE_PLACES = _STEPS_BETWEEN_LOOKS
"""What a row may write for nothing behind its cap."""
_FEWEST_SLOTS = 4
_ROUNDED = 8


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

    `caps` at most `longest` tokens; `ends` the tokens that end a row. `still`: every step has the same shapes and what
    was written is looked at after several, as an accelerator likes it. For use in inference mode.
    """

    def __init__(
        self,
        model: LanguageModel | GraphedLanguageModel,
        ends: Sequence[int],
        *,
        slots: int,
        room: int,
        longest: int,
        still: bool | None = None,
    ) -> None:
        self._model = model
        self._cache = model.cache(slots, room)
        self._record = Record(slots, longest, ends, model.vocabulary, model.device)
        self._rows: dict[int, _Row] = {}
        self._still = model.device.type != "cpu" if still is None else still
        self._replay: Callable[[], None] | None = None
        if model.device.type == "cuda":
            self._replay = captured(partial(self._write, room), model.device)
            self._cache.lengths.zero_()
            self._record.clear()

    @property
    def keeps(self) -> bool:
        """Whether it is worth keeping: it holds a captured graph."""
        return self._replay is not None

    @property
    def busy(self) -> int:
        """Rows being written."""
        return len(self._rows)

    @property
    def free(self) -> int:
        """Slots for more."""
        return self._record.slots - len(self._rows)

    def admit(self, keys: Sequence[int], prompts: Sequence[torch.Tensor], caps: Sequence[int]) -> None:
        """Begin rows named `keys` behind prompts [P, H], of at most `caps` tokens; no more than are `free`."""
        empty = [slot for slot in range(self._record.slots) if slot not in self._rows][: len(keys)]
        lengths = [len(prompt) for prompt in prompts]
        for slot, *row in zip(empty, keys, caps, lengths, strict=True):
            self._rows[slot] = _Row(row[0], row[1], 1, row[2])
        slots, places = (torch.tensor(each, device=self._model.device) for each in (empty, lengths))
        choice, kept = self._model.read(pad_sequence(list(prompts), batch_first=True), places)
        if not self._still:
            self._cache.fit(max(self._seen(), *lengths))
        self._cache.fill(slots, places, kept)
        self._record.begin(slots, choice)

    def step(self) -> None:
        """Every row writes one token more; where all is still several, those of finished rows for nothing."""
        for _ in range(_STEPS_BETWEEN_LOOKS if self._still else 1):
            self._step()

    def leave(self) -> list[tuple[int, Written]]:
        """The rows that are finished, by key; they leave."""
        ended = self._record.ended.cpu().tolist()
        done = [slot for slot, row in self._rows.items() if ended[slot] or row.count >= row.cap]
        rows = [(slot, self._rows.pop(slot)) for slot in done]
        return [(row.key, self._record.taken(slot, min(row.count, row.cap))) for slot, row in rows]

    def so_far(self, key: int) -> Written:
        """What a row that is being written has so far."""
        slot = next(slot for slot, row in self._rows.items() if row.key == key)
        return self._record.taken(slot, self._rows[slot].count)

    def shrink(self) -> None:
        """Give up half of the slots when they are free and no more rows will come, unless all is to be still."""
        slots = self._record.slots
        if self._still or slots <= _FEWEST_SLOTS or 2 * len(self._rows) > slots:
            return
        kept = sorted(self._rows)
        kept += [slot for slot in range(slots) if slot not in self._rows][: slots // 2 - len(kept)]
        where = torch.tensor(kept, device=self._model.device)
        self._cache.only(where)
        self._record = self._record.only(where)
        self._rows = {new: self._rows[old] for new, old in enumerate(kept) if old in self._rows}

    def _step(self) -> None:
        if self._replay:
            self._replay()
        else:
            seen = self._seen()
            self._cache.fit(seen)
            self._write(seen)
        for row in self._rows.values():
            row.count += 1

    def _write(self, seen: int) -> None:
        """A token in every slot, looking at so many places; only tensors that stay are written to."""
        record, cache = self._record, self._cache
        cache.lengths.clamp_(max=seen - 1)
        choice = cache.step(record.latest, seen)
        cache.lengths.add_(1)
        record.write(choice)

    def _seen(self) -> int:
        """Places a step looks at, the one it writes included; rounded, so that they are often the same."""
        if self._still:
            return self._cache.most
        needed = max((row.prompt + row.count for row in self._rows.values()), default=1)
        return min(self._cache.most, -(-needed // _ROUNDED) * _ROUNDED)


class Record:
    """What each slot has written: `tokens` [S], its newest, and `ended` bool [S], whether an end token was among them.

    Beside them the history: every token and, of each step, the scores of the likeliest few and the log-sum-exp of all.
    """

    def __init__(
        self, slots: int, most: int, ends: Sequence[int], vocabulary: int, device: torch.device
    ) -> None:
        self._ends = set(ends)
        self._ending = torch.zeros(vocabulary, dtype=torch.bool, device=device)
        self._ending[list(ends)] = True
        self._most = most + SPARE_PLACES
        self._history = torch.zeros(slots * self._most, dtype=torch.long, device=device)
        self._scores = torch.zeros(slots * self._most, ENTROPY_CHOICES + 1, device=device)
        self._places = torch.arange(0, slots * self._most, self._most, device=device)
        self._lasts = self._places + self._most - 1
        self.latest = torch.zeros(slots, dtype=torch.long, device=device)
        self.ended = torch.zeros(slots, dtype=torch.bool, device=device)

    @property
    def slots(self) -> int:
        """How many."""
        return len(self.latest)

    def clear(self) -> None:
        """Forget all that was written."""
        self._places.copy_(self._lasts - self._most + 1)
        self.latest.zero_()
        self.ended.zero_()

    def begin(self, slots: torch.Tensor, choice: Chosen) -> None:
        """Forget what `slots` [s] wrote before, and keep what was chosen for each."""
        self._places[slots] = slots * self._most
        self.latest[slots] = choice.tokens
        self.ended[slots] = self._ending[choice.tokens]
        self._history[self._places[slots]] = choice.tokens
        self._scores[self._places[slots]] = torch.cat((choice.best, choice.norm), dim=-1)
        self._places[slots] += 1

    def write(self, choice: Chosen) -> None:
        """Keep what was chosen for every slot."""
        tokens = choice.tokens
        self._history.index_copy_(0, self._places, tokens)
        self._scores.index_copy_(0, self._places, torch.cat((choice.best, choice.norm), dim=-1))
        torch.minimum(self._places.add_(1), self._lasts, out=self._places)
        self.latest.copy_(tokens)
        self.ended.logical_or_(self._ending.index_select(0, tokens))

    def taken(self, slot: int, count: int) -> Written:
        """The first `count` tokens of a slot, up to its first end token."""
        start = slot * self._most
        ids: list[int] = self._history[start : start + count].tolist()
        length = next((i + 1 for i, token in enumerate(ids) if token in self._ends), count)
        scores = self._scores[start : start + length].cpu().numpy()
        return Written(ids[:length], scores[:, 0] - scores[:, -1], _entropies(scores[:, :-1]))

    def only(self, slots: torch.Tensor) -> "Record":
        """Of these slots alone."""
        most = self._most
        smaller = Record(
            len(slots), most - SPARE_PLACES, sorted(self._ends), len(self._ending), self.latest.device
        )
        smaller._history.view(-1, most).copy_(self._history.view(-1, most)[slots])
        smaller._scores.view(len(slots), most, -1).copy_(self._scores.view(self.slots, most, -1)[slots])
        smaller._places.add_(self._places[slots] - slots * most)
        smaller.latest.copy_(self.latest[slots])
        smaller.ended.copy_(self.ended[slots])
        return smaller


def _entropies(best: np.ndarray) -> np.ndarray:
    """Entropy in nats of the likeliest few, renormalised, of their scores [n, k]."""
    weights = np.exp(best - best[:, :1])
    shares = weights / weights.sum(1, keepdims=True)
    return np.asarray(-(shares * np.log(np.maximum(shares, 1e-44))).sum(1))
