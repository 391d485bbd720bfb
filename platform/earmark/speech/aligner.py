"""When each word of a text was said: the best path of its characters through what a head hears in every frame.

The path has a state for each character and, between words, one for a pause, which may be left out. There is no blank
within a word, so every frame of a word belongs to one of its characters and a word ends where the next begins: the
peaks of connectionist temporal classification, which say little about boundaries, do not arise (Zeyer et al. 2021,
"Why does CTC result in peaky behavior?"). Probabilities are divided by a power of how common their class is, as in
hybrid recognisers (Bourlard & Morgan 1994) and in Huang et al. 2024, "Less peaky and more accurate CTC forced
alignment by label priors".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from earmark.speech.aligner_head import FRAMES_PER_SECOND, SILENCE, AlignerHead, joined_frames
from earmark.speech.engine import Word
from earmark.speech.errors import EarmarkError
from earmark.speech.spelling import Spelt, spell
from earmark.speech.viterbi import NEVER, best_paths

PRIOR_POWER = 0.5
LOWEST = -20.0
"""The score, natural log, of a text that cannot be said in that time or of which nothing fits."""

_FRAME = 1.0 / FRAMES_PER_SECOND


@dataclass(frozen=True)
class Alignment:
    """Where the words of a text are in a clip, and how well they fit.

    `score`: the mean log-probability of the text's characters, 0 at best, `LOWEST` at worst.
    """

    words: tuple[Word, ...]
    score: float


@dataclass(frozen=True)
class _States:
    """A text's line of states: the class of each (-1: any), its cost of being left out, its word (-1: a pause)."""

    classes: np.ndarray
    skips: np.ndarray
    words: np.ndarray


class Aligner:
    """A head behind one call. It stays on the device it was given; the search runs on the CPU."""

    def __init__(self, head: AlignerHead, device: torch.device | str = "cpu") -> None:
        self.head = head.to(device).eval()
        self._classes = {character: i + 1 for i, character in enumerate(head.vocabulary)}
        self._log_prior = head.log_prior.detach().float().cpu().numpy()

    def align(
        self, encoded: torch.Tensor, text: str, language: str = "", *, features: torch.Tensor
    ) -> Alignment:
        """Word times of `text` in one clip; see `align_batch`."""
        return self.align_batch([encoded], [text], features=[features])[0]

    def align_batch(
        self, encoded: Sequence[torch.Tensor], texts: Sequence[str], *, features: Sequence[torch.Tensor]
    ) -> list[Alignment]:
        """Word times in seconds from the clip's start, for one text per clip.

        `encoded`: [T, H], the encoder's output over each clip's own frames, 50 a second, without those of padding;
        `features`: [mels, 2T or more], the log-mel frames it was made of. Raises EarmarkError `speech:align:unpaired`
        unless there are as many of each. A text without words gives none, and a score of 0.
        """
        if not len(encoded) == len(texts) == len(features):
            raise EarmarkError(
                "speech:align:unpaired",
                f"{len(encoded)} encoded clips, {len(features)} of features and {len(texts)} texts are not pairs.",
                "Give one text and one set of features per clip.",
            )
        return self.align_frames(
            [joined_frames(*pair) for pair in zip(encoded, features, strict=True)], texts
        )

    def align_frames(self, frames: Sequence[torch.Tensor], texts: Sequence[str]) -> list[Alignment]:
        """As `align_batch`, for `joined_frames` [T, inputs] of each clip."""
        spelt = [spell(text) for text in texts]
        heard = self.log_probabilities(frames)
        states = [self._states(words) for words in spelt]
        paths = best_paths(
            [self._emissions(h, s) for h, s in zip(heard, states, strict=True)], [s.skips for s in states]
        )
        return [
            self._alignment(words, h, s, path)
            for words, h, s, path in zip(spelt, heard, states, paths, strict=True)
        ]

    @torch.inference_mode()
    def log_probabilities(self, frames: Sequence[torch.Tensor]) -> list[np.ndarray]:
        """float32 [T, classes] of each clip's `joined_frames` [T, inputs]."""
        if not frames:
            return []
        mean = self.head.mean
        longest = max(len(each) for each in frames)
        batch = mean.expand(len(frames), longest, -1).clone()
        for i, each in enumerate(frames):
            batch[i, : len(each)] = each
        heard = self.head(batch).cpu().numpy()
        return [heard[i, : len(each)] for i, each in enumerate(frames)]

    def _states(self, words: Sequence[Spelt]) -> _States:
        classes, skips, owners = [SILENCE], [np.float32(0.0)], [-1]
        for number, word in enumerate(words):
            for character in word.characters:
                classes.append(self._classes.get(character, -1))
                skips.append(NEVER)
                owners.append(number)
            classes.append(SILENCE)
            skips.append(np.float32(0.0))
            owners.append(-1)
        return _States(np.array(classes), np.array(skips, np.float32), np.array(owners))

    def _emissions(self, heard: np.ndarray, states: _States) -> np.ndarray:
        scaled = heard - PRIOR_POWER * self._log_prior
        some = np.log1p(-np.minimum(np.exp(heard[:, SILENCE]), 1 - 1e-6))
        table = np.concatenate([scaled, some[:, None]], axis=1)
        return np.asarray(table[:, states.classes], np.float32)

    def _alignment(
        self, words: Sequence[Spelt], heard: np.ndarray, states: _States, path: np.ndarray | None
    ) -> Alignment:
        if path is None:
            return _spread_evenly(words, len(heard) * _FRAME)
        raw = np.concatenate(
            [heard, np.log1p(-np.minimum(np.exp(heard[:, SILENCE]), 1 - 1e-6))[:, None]], axis=1
        )
        fit = np.maximum(raw[np.arange(len(path)), states.classes[path]], LOWEST)
        length = len(heard) * _FRAME
        found, characters = [], list[float]()
        for number, word in enumerate(words):
            inside = np.flatnonzero(states.words[path] == number)
            start = min(max(0.0, (inside[0] - 0.5) * _FRAME), length)
            end = min(max(start, (inside[-1] + 0.5) * _FRAME), length)
            of_states = [float(fit[path == s].mean()) for s in np.unique(path[inside])]
            characters += of_states
            found.append(Word(word.text, float(start), float(end), float(np.exp(np.mean(of_states)))))
        return Alignment(tuple(found), float(np.mean(characters)) if characters else 0.0)


def _spread_evenly(words: Sequence[Spelt], seconds: float) -> Alignment:
    """More characters than frames: nothing fits, and the words share the time by their characters."""
    ends = np.cumsum([len(word.characters) for word in words], dtype=float)
    ends *= seconds / ends[-1]
    starts = [0.0, *ends[:-1]]
    found = [
        Word(w.text, float(a), float(b), 0.0) for w, a, b in zip(words, starts, ends.tolist(), strict=True)
    ]
    return Alignment(tuple(found), LOWEST)
