"""When each word of a text was said.

Every character takes up a stretch of frames, with pauses between words and no blank inside them: a word ends where the
next begins, and the peaks of connectionist temporal classification, which say little about boundaries, do not arise
(Zeyer et al. 2021, "Why does CTC result in peaky behavior?"). The score of a stretch is made of how well its frames
sound like the character, divided by a power of how common that is (label priors: Huang et al. 2024, "Less peaky and
more accurate CTC forced alignment by label priors"), and of how long the character lasts, at the pace of the clip. A
frame in which somebody speaks is never worth less than a floor, whatever the character: a head that does not know the
dialect falls back on pauses and durations instead of running after noise, and a character it never saw is any speech.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from earmark.speech.aligner_head import FRAMES_PER_SECOND, SILENCE, AlignerHead
from earmark.speech.engine import Word
from earmark.speech.errors import EarmarkError
from earmark.speech.misfit import MOST, misfit
from earmark.speech.segments import LONGEST, Line, best_segments
from earmark.speech.spelling import Spelt, spell
from earmark.speech.text import is_han

LOWEST = -20.0
"""The score, natural log, of what does not fit at all."""
_FRAME = 1.0 / FRAMES_PER_SECOND
_HALF = 0.5
"""An encoder frame is centred on its time, so the boundary before frame t is half a frame earlier."""
_MOST_PACE = 0.7
"""Nats by which a clip's pace may differ from that of the training clips: twice as fast or as slow."""


@dataclass(frozen=True)
class Weights:
    """What a division into characters is chosen by.

    `prior`: the power of how common a character is that its probability is divided by. `floor`: nats of such divided
    log-probability that any frame of speech is worth to any character. `duration`: what a nat of how long a character
    lasts counts.
    """

    prior: float
    floor: float
    duration: float


PLACING = Weights(prior=0.5, floor=1.0, duration=2.0)
"""Chosen with the demo's training voices, in dialects that the head had heard and in others (docs/experiments.md)."""


@dataclass(frozen=True)
class Alignment:
    """Where the words of a text are in a clip, and how well they fit.

    `score`: the mean log-probability of the text's characters, 0 at best, `LOWEST` at worst. `misfit`: how badly the
    text fits at its worst place, against what is heard there freely, 0 at best (`earmark.speech.misfit`); `slip`: that
    place, in seconds.
    """

    words: tuple[Word, ...]
    score: float
    misfit: float = 0.0
    slip: float = 0.0


class Aligner:
    """A head behind one call; head and search run on the device it is given."""

    def __init__(
        self, head: AlignerHead, device: torch.device | str = "cpu", weights: Weights = PLACING
    ) -> None:
        self.head = head.to(device)
        self.weights = weights
        self._silence_prior = weights.prior * float(head.log_prior[SILENCE])

    def align(self, encoded: torch.Tensor, text: str) -> Alignment:
        """Word times of `text` in one clip; see `align_batch`."""
        return self.align_batch([encoded], [text])[0]

    @torch.inference_mode()
    def align_batch(self, encoded: Sequence[torch.Tensor], texts: Sequence[str]) -> list[Alignment]:
        """Word times in seconds from the clip's start, for one text per clip.

        `encoded`: [T, H], the encoder's output over each clip's own frames, 50 a second, without those of padding.
        Raises EarmarkError `speech:align:unpaired` unless there is one text per clip. A text without words has none,
        and a score of 0.
        """
        if len(encoded) != len(texts):
            raise EarmarkError(
                "speech:align:unpaired",
                f"{len(encoded)} clips and {len(texts)} texts are not pairs.",
                "Give one text per clip.",
            )
        spelt = [spell(text) for text in texts]
        heard = [self.head.log_probabilities(each) for each in encoded]
        found = best_segments([self.line(*pair) for pair in zip(heard, spelt, strict=True)])
        rows = zip(heard, spelt, found, strict=True)
        return [self._alignment(h, words, segments) for h, words, segments in rows]

    def line(self, heard: torch.Tensor, words: Sequence[Spelt]) -> Line:
        """The search's view of a text over log-probabilities [T, classes] of a clip."""
        characters = [character for word in words for character in word.characters]
        places = self._places(characters)
        known = torch.tensor([place > 0 for place in places], dtype=torch.bool, device=heard.device)
        classes = torch.tensor([max(place, 0) for place in places], dtype=torch.long, device=heard.device)
        speech = _speech(heard)
        floor = (self.weights.floor + speech)[:, None]
        scaled = heard[:, classes] - self.weights.prior * self.head.log_prior[classes]
        first = {sum(len(word.characters) for word in words[:i]) for i in range(len(words))}
        return Line(
            characters=torch.where(known, torch.logaddexp(scaled, floor), floor),
            pauses=heard[:, SILENCE] - self._silence_prior,
            may_pause=torch.tensor([i in first for i in range(len(characters))], device=heard.device),
            durations=self._durations(characters, places, int((heard[:, SILENCE] < np.log(0.5)).sum())),
        )

    def _places(self, characters: Sequence[str]) -> list[int]:
        return [self.head.classes.get(character, -1) for character in characters]

    def _durations(self, characters: Sequence[str], places: Sequence[int], spoken: int) -> torch.Tensor:
        """Log-scores [N, LONGEST] of lasting 1, 2, ... frames, log-normal, where `spoken` frames are shared by all."""
        mean, deviation = self._lasting(characters, places, spoken)
        frames = torch.arange(1, LONGEST + 1, device=mean.device).log()
        apart = (frames - mean[:, None]) / deviation[:, None]
        return self.weights.duration * (-apart.square() / 2 - deviation.log()[:, None] - frames)

    def _lasting(
        self, characters: Sequence[str], places: Sequence[int], spoken: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation [N] of the log of each character's frames, at the pace of `spoken` frames for all."""
        table = self.head.durations
        rows = [p if p > 0 else -1 if is_syllable(c) else -2 for p, c in zip(places, characters, strict=True)]
        mean, deviation = table[rows, 0], table[rows, 1]
        expected = (mean + deviation.square() / 2).exp().sum()
        pace = torch.log(max(spoken, 1) / expected.clamp(min=1e-3)).clamp(-_MOST_PACE, _MOST_PACE)
        return mean + pace, deviation

    def _alignment(
        self, heard: torch.Tensor, words: Sequence[Spelt], segments: np.ndarray | None
    ) -> Alignment:
        if segments is None:
            return _spread_evenly(words, len(heard) * _FRAME)
        said, gaps = self._read(heard, words, segments)
        fits = [float(np.maximum(said[a:b], LOWEST).mean()) for a, b in segments]
        apart = np.array([gaps[a:b].mean() for a, b in segments])
        unusual = self._unusual(words, segments)
        found, squeezes, foreign, middles = list[Word](), list[float](), list[float](), list[int]()
        length, at = len(heard) * _FRAME, 0
        for word in words:
            inside = slice(at, at + len(word.characters))
            at = inside.stop
            first, after = int(segments[inside.start, 0]), int(segments[at - 1, 1])
            start, end = (min(max(0.0, (edge - _HALF) * _FRAME), length) for edge in (first, after))
            found.append(Word(word.text, start, end, float(np.exp(np.mean(fits[inside])))))
            squeezes.append(float(unusual[inside].mean()))
            foreign.append(float(apart[inside].mean()))
            middles.append((first + after) // 2)
        value, place = misfit(gaps, squeezes, foreign, middles)
        return Alignment(tuple(found), float(np.mean(fits)) if fits else 0.0, value, place * _FRAME)

    def _unusual(self, words: Sequence[Spelt], segments: np.ndarray) -> np.ndarray:
        """[N]: minus the log of how usual it is that each character lasts so long, next to its usual length."""
        characters = [character for word in words for character in word.characters]
        lasted = segments[:, 1] - segments[:, 0]
        mean, deviation = self._lasting(characters, self._places(characters), int(lasted.sum()))
        apart = (np.log(lasted) - mean.cpu().numpy()) / deviation.cpu().numpy()
        return np.asarray(np.minimum(np.square(apart) / 2, MOST))

    def _read(
        self, heard: torch.Tensor, words: Sequence[Spelt], segments: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log-probability [T] of each frame's character, or of silence, and how far it is from the likeliest class."""
        places = self._places([character for word in words for character in word.characters])
        owner = np.full(len(heard), SILENCE)
        for place, (first, after) in zip(places, segments, strict=True):
            owner[first:after] = place
        index = torch.as_tensor(np.maximum(owner, 0), device=heard.device)[:, None]
        kept = torch.stack([heard.gather(1, index)[:, 0], heard.max(1).values, _speech(heard) - np.log(2.0)])
        said, best, any_speech = kept.cpu().numpy()
        said = np.where(owner < 0, any_speech, said)
        return said, np.clip(best - said, 0.0, MOST)


def is_syllable(character: str) -> bool:
    """Whether one such character lasts as long as a syllable: Chinese and other wide ones, digits."""
    wide = unicodedata.east_asian_width(character) in "WF"
    return wide or is_han(character) or unicodedata.category(character)[0] == "N"


def _speech(heard: torch.Tensor) -> torch.Tensor:
    """Log-probability [T] that anything is said."""
    return torch.log1p(-heard[:, SILENCE].exp().clamp(max=1 - 1e-6))


def _spread_evenly(words: Sequence[Spelt], seconds: float) -> Alignment:
    """More characters than frames: nothing fits, and the words share the time by their characters."""
    ends = np.cumsum([len(word.characters) for word in words], dtype=float)
    ends *= seconds / ends[-1]
    starts = [0.0, *ends[:-1].tolist()]
    rows = zip(words, starts, ends.tolist(), strict=True)
    return Alignment(tuple(Word(word.text, a, b, 0.0) for word, a, b in rows), LOWEST, MOST, seconds / 2)
