"""Rounds on a pool whose truth is known: the same choosing that users call, on what the demo model really heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from annotation.acquisition import Answered, KeptVectors, Pool, Strategy, choose
from annotation.acquisition.pool import UNKNOWN_SPEAKER, Integers
from benchmarks.heard_pool import HeardPool
from benchmarks.mixed_pool import speaker_of
from training_jobs.recipe.manifest import ClipEntry

AUDIT_SHARE = 0.1


@dataclass(frozen=True)
class Played:
    """A pool to play rounds on: `entries`, what was heard of them, and how many of the first are no garbage."""

    entries: Sequence[ClipEntry]
    heard: HeardPool
    good: int

    @cached_property
    def seconds(self) -> np.ndarray:
        """Of each clip."""
        return np.array([one.seconds for one in self.entries])

    @property
    def good_seconds(self) -> float:
        """Of all that is no garbage: what budgets are shares of."""
        return float(self.seconds[: self.good].sum())

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        clips = self.heard.clips
        speakers = [speaker_of(one) or None for one in self.entries]
        return {
            "confidence": np.array([one.confidence for one in clips]),
            "characters": np.array([len(one.text) for one in clips]),
            "language": _codes([one.language for one in self.entries]),
            "speaker": np.where([one is None for one in speakers], UNKNOWN_SPEAKER, _codes(speakers)),
        }

    @cached_property
    def _flags(self) -> dict[str, np.ndarray]:
        names = sorted({flag for one in self.heard.clips for flag in one.flags})
        return {name: np.array([name in one.flags for one in self.heard.clips]) for name in names}

    def pool(self, index: Integers, answered: Sequence[int]) -> Pool:
        """What a strategy is shown when the clips at `index` may be asked and people answered `answered`.

        Garbage was refused by those who heard it.
        """
        heard = np.array(answered, np.int64)
        return Pool(
            seconds=self.seconds[index],
            flags={name: column[index] for name, column in self._flags.items()},
            embeddings=KeptVectors(self.heard.embeddings[index]),
            answered=Answered(self.heard.embeddings[heard].astype(np.float32), heard >= self.good),
            **{name: column[index] for name, column in self._columns.items()},
        )

    def rounds(
        self, strategy: Strategy, budgets: Sequence[float], *, seed: int, garbage: bool, gated: bool = True
    ) -> list[list[int]]:
        """The clips people have heard when each of `budgets`, shares of the good seconds, is spent: a round for each,
        which knows what was answered before. With `gated` what the platform's gate set aside is not eligible.
        """
        eligible = np.arange(len(self.entries) if garbage else self.good)
        if gated:
            unfit = np.array([bool(one.unfit) for one in self.heard.clips])
            eligible = eligible[~unfit[eligible]]
        done, spent, found = list[int](), 0.0, list[list[int]]()
        for number, budget in enumerate(budgets):
            index = np.setdiff1d(eligible, done)
            picks = choose(
                self.pool(index, done),
                strategy=strategy,
                budget_seconds=budget * self.good_seconds - spent,
                audit_share=AUDIT_SHARE,
                seed=1_000 * seed + number,
            )
            done = [*done, *index[picks.index].tolist()]
            spent = float(self.seconds[done].sum())
            found.append(done)
        return found

    def garbage_share(self, clips: Sequence[int]) -> float:
        """Of the seconds of `clips` the share in which nothing is to be learned; a copy is such, heard twice or not."""
        seconds, garbage = self.seconds[list(clips)], np.array(clips) >= self.good
        return float(seconds[garbage].sum() / seconds.sum())


def _codes(values: Sequence[object]) -> np.ndarray:
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values])
