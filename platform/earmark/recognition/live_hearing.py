"""One file of audio heard while somebody waits: cut at its pauses if it is long, clip after clip, word after word."""

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from earmark.speech.audio import MIN_CLIP_SECONDS
from earmark.speech.confidence import Confidence, clip_confidence
from earmark.speech.cutting import Stretch
from earmark.speech.decoding import Decoder, Limits, check_worth_keeping
from earmark.speech.engine import AUTO, Engine, Heard
from earmark.speech.errors import EarmarkError
from earmark.speech.surveyed import Wanted

MAX_BYTES = 100_000_000
MAX_SECONDS = 1_800.0
LIMITS = Limits(seconds=20.0, seconds_per_megabyte=1.0)
"""Somebody waits for the decoder, so it gets less time than an import gives it."""

_decoders: dict[int, Decoder] = {}


@dataclass(frozen=True)
class HeardClip:
    """What is heard in one clip so far: the clip `number` (from 0), from `start` seconds into the file on.

    `confidence` is known once `is_final`.
    """

    number: int
    start: float
    seconds: float
    heard: Heard
    confidence: Confidence | None = None

    @property
    def is_final(self) -> bool:
        return self.confidence is not None


@dataclass(frozen=True)
class Cut:
    """A file's length in seconds and the clips in it."""

    seconds: float
    stretches: tuple[Stretch, ...]


def decoder() -> Decoder:
    """This process's decoder that also finds clips; a forked process gets one of its own."""
    if os.getpid() not in _decoders:
        _decoders.clear()
        _decoders[os.getpid()] = one = Decoder(surveys=True, limits=LIMITS)
        atexit.register(one.close)
    return _decoders[os.getpid()]


def cut(path: Path, *, name: str, watch: Callable[[float], None] = lambda seconds: None) -> Cut:
    """The clips of the file at `path`, known as `name`: itself if it lasts at most 30 s, else cut at its pauses.

    `watch(seconds)` is told now and then how far the search is. Raises EarmarkError `corpus:audio:...`,
    `recognition:listen:too-long`, and what `watch` raises.
    """

    def look(_name: str, seconds: float) -> None:
        _check_length(name, seconds)
        watch(seconds)

    answers = decoder().survey_all([(path, name, Wanted(keep_whole=True))], watch=look)
    with closing(answers):
        found = next(answers)
    if isinstance(found, EarmarkError):
        raise found
    _check_length(name, found.duration)
    check_worth_keeping(found, name)
    stretches = [clip.stretch for track in found.tracks for clip in track.clips]
    return Cut(found.duration, tuple(one for one in stretches if one.seconds >= MIN_CLIP_SECONDS))


def hear(path: Path, found: Cut, *, name: str, engine: Engine, language: str) -> Iterator[HeardClip]:
    """Each clip of `found`, as it grows where the engine streams, last of each the whole with its confidence.

    Raises EarmarkError `corpus:audio:...`, `speech:language:unknown`, and those of the engine.
    """
    waveforms = decoder().stretches(path, found.stretches, name=name)
    for number, (stretch, samples) in enumerate(zip(found.stretches, waveforms, strict=True)):
        start, seconds = stretch.start_seconds, stretch.seconds
        if engine.abilities.streams:
            said = engine.hear_growing(samples, language=language)
        else:
            said = iter(engine.hear([samples], languages=[language]))
        heard: Heard | None = None
        for heard in said:
            yield HeardClip(number, start, seconds, heard)
        if heard:
            asked = "" if language == AUTO else language
            sure = clip_confidence(heard, seconds, samples, language=asked)
            yield HeardClip(number, start, seconds, heard, sure)


def _check_length(name: str, seconds: float) -> None:
    if seconds > MAX_SECONDS:
        raise EarmarkError(
            "recognition:listen:too-long",
            f"{name!r} lasts more than {MAX_SECONDS / 60:.0f} minutes.",
            "Listen to a part of it, or import it: a transcription run hears recordings of any length.",
        )
