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
from typing import NamedTuple

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
_LOG_FRAMES = np.log(np.arange(1, LONGEST + 1))
_FRAMES_AT_ONCE = 20_000
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


class Sounds(NamedTuple):
    """What the frames of a clip sound like: log-probabilities `heard` [T, classes], `speech` [T] of any character,
    `best` [T] of the likeliest class.
    """

    heard: torch.Tensor
    speech: torch.Tensor
    best: torch.Tensor


class Aligner:
    """A head behind one call; head and search run on the device it is given."""

    def __init__(
        self, head: AlignerHead, device: torch.device | str = "cpu", weights: Weights = PLACING
    ) -> None:
        self.head = head.to(device)
        self.weights = weights
        self._scaled_prior = weights.prior * self.head.log_prior
        self._durations_table = head.durations.double().cpu().numpy()

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
        heard = self.sounds(encoded)
        found = best_segments([self.line(*pair) for pair in zip(heard, spelt, strict=True)])
        rows = zip(heard, spelt, found, strict=True)
        return [self._alignment(sounds, words, segments) for sounds, words, segments in rows]

    def sounds(self, encoded: Sequence[torch.Tensor]) -> list[Sounds]:
        """What the frames of each clip [T, H] sound like."""
        found: list[Sounds] = []
        start = 0
        while start < len(encoded):
            end, frames = start, 0
            while end < len(encoded) and (end == start or frames + len(encoded[end]) <= _FRAMES_AT_ONCE):
                frames += len(encoded[end])
                end += 1
            found += self._sounds(encoded[start:end])
            start = end
        return found

    def _sounds(self, encoded: Sequence[torch.Tensor]) -> list[Sounds]:
        lengths = [len(each) for each in encoded]
        heard = self.head.log_probabilities(torch.cat(list(encoded)))
        speech = torch.log1p(-heard[:, SILENCE].exp().clamp(max=1 - 1e-6))
        parts = (heard, speech, heard.max(1).values)
        return [Sounds(*each) for each in zip(*(part.split(lengths) for part in parts), strict=True)]

    def line(self, sounds: Sounds, words: Sequence[Spelt]) -> Line:
        """The search's view of a text over the frames of a clip."""
        heard, device = sounds.heard, sounds.heard.device
        characters = [character for word in words for character in word.characters]
        places = self._places(characters)
        classes = torch.as_tensor(np.maximum(places, 0), device=device)
        floor = (self.weights.floor + sounds.speech)[:, None]
        scaled = torch.logaddexp(heard[:, classes] - self._scaled_prior[classes], floor)
        known = torch.as_tensor(places > 0, device=device)
        begins = np.zeros(len(characters), bool)
        begins[_firsts(words)] = True
        spoken = int((sounds.speech > -np.log(2.0)).sum())
        return Line(
            characters=torch.where(known, scaled, floor),
            pauses=heard[:, SILENCE] - self._scaled_prior[SILENCE],
            may_pause=torch.as_tensor(begins, device=device),
            durations=torch.as_tensor(self._durations(characters, places, spoken), device=device),
        )

    def _places(self, characters: Sequence[str]) -> np.ndarray:
        """Class of each character, -1 where the head does not know it."""
        return np.array([self.head.classes.get(character, -1) for character in characters], np.int64)

    def _durations(self, characters: Sequence[str], places: np.ndarray, spoken: int) -> np.ndarray:
        """Log-scores float32 [N, LONGEST] of lasting 1, 2, ... frames, log-normal, where all share `spoken` frames."""
        mean, deviation = self._lasting(characters, places, spoken)
        apart = (_LOG_FRAMES - mean[:, None]) / deviation[:, None]
        score = self.weights.duration * (-np.square(apart) / 2 - np.log(deviation)[:, None] - _LOG_FRAMES)
        return np.asarray(score, np.float32)

    def _lasting(
        self, characters: Sequence[str], places: np.ndarray, spoken: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation [N] of the log of each character's frames, at the pace of `spoken` frames for all."""
        kinds = np.array([-1 if is_syllable(character) else -2 for character in characters], np.int64)
        mean, deviation = self._durations_table[np.where(places > 0, places, kinds)].T
        expected = max(1e-3, float(np.exp(mean + np.square(deviation) / 2).sum()))
        pace = np.clip(np.log(max(spoken, 1) / expected), -_MOST_PACE, _MOST_PACE)
        return mean + pace, deviation

    def _alignment(self, sounds: Sounds, words: Sequence[Spelt], segments: np.ndarray | None) -> Alignment:
        length = len(sounds.heard) * _FRAME
        if segments is None:
            return _spread_evenly(words, length)
        characters = [character for word in words for character in word.characters]
        places = self._places(characters)
        said, gaps = _read(sounds, places, segments)
        if not words:
            value, place = misfit(gaps, [], [], [])
            return Alignment((), 0.0, value, place * _FRAME)
        lasted = segments[:, 1] - segments[:, 0]
        mean, deviation = self._lasting(characters, places, int(lasted.sum()))
        unusual = np.minimum(np.square((np.log(lasted) - mean) / deviation) / 2, MOST)
        firsts = _firsts(words)
        fits = _means(np.maximum(said, LOWEST), segments)
        scores = np.exp(_by_word(fits, firsts))
        edges = np.stack([segments[firsts, 0], segments[[*(firsts[1:] - 1), -1], 1]], axis=1)
        times = np.clip((edges - _HALF) * _FRAME, 0.0, length).tolist()
        value, place = misfit(
            gaps, _by_word(unusual, firsts), _by_word(_means(gaps, segments), firsts), edges.sum(1) // 2
        )
        found = zip(words, times, scores.tolist(), strict=True)
        return Alignment(
            tuple(Word(word.text, start, end, score) for word, (start, end), score in found),
            float(fits.mean()),
            value,
            place * _FRAME,
        )


def _firsts(words: Sequence[Spelt]) -> np.ndarray:
    """Where each word's characters begin among those of all."""
    return np.cumsum([0, *(len(word.characters) for word in words)])[:-1]


def _means(values: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Mean of `values` [T] over each of the segments [N, 2]."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return np.asarray((total[segments[:, 1]] - total[segments[:, 0]]) / (segments[:, 1] - segments[:, 0]))


def _by_word(values: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """Mean of the characters' values [N] over each word."""
    return np.asarray(np.add.reduceat(values, firsts) / np.diff([*firsts, len(values)]))


def _read(sounds: Sounds, places: np.ndarray, segments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-probability [T] of each frame's character, or of silence, and how far it is from the likeliest class."""
    owner = np.full(len(sounds.heard), SILENCE)
    for place, (first, after) in zip(places.tolist(), segments.tolist(), strict=True):
        owner[first:after] = place
    index = torch.as_tensor(np.maximum(owner, 0), device=sounds.heard.device)[:, None]
    kept = torch.stack([sounds.heard.gather(1, index)[:, 0], sounds.best, sounds.speech]).cpu().numpy()
    said = np.where(owner < 0, kept[2] - np.log(2.0), kept[0])
    return said, np.clip(kept[1] - said, 0.0, MOST)


def is_syllable(character: str) -> bool:
    """Whether one such character lasts as long as a syllable: Chinese and other wide ones, digits."""
    wide = unicodedata.east_asian_width(character) in "WF"
    return wide or is_han(character) or unicodedata.category(character)[0] == "N"


def _spread_evenly(words: Sequence[Spelt], seconds: float) -> Alignment:
    """More characters than frames: nothing fits, and the words share the time by their characters."""
    ends = np.cumsum([len(word.characters) for word in words], dtype=float)
    ends *= seconds / ends[-1]
    starts = [0.0, *ends[:-1].tolist()]
    rows = zip(words, starts, ends.tolist(), strict=True)
    return Alignment(tuple(Word(word.text, a, b, 0.0) for word, a, b in rows), LOWEST, MOST, seconds / 2)
