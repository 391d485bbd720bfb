"""Who speaks in the demo: synthetic speakers of dialects the demo model knows and of dialects it never heard.

A speaker is a timbre with a pitch and a pace of its own, in a room of its own. The demo model trains on
many timbres of the known dialects (`training_speaker`); the demo corpus is spoken by the few fixed
`SPEAKERS`.
"""

from dataclasses import dataclass, replace
from random import Random

import numpy as np
import soxr

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.errors import EarmarkError
from earmark.speech.synthesis import SpokenWord, Synthesiser, Voice

TIMBRES = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2",
    "f3", "f4", "f5", "Andy", "Annie", "Denis", "Michael", "Mike", "adam", "antonio",
    "belinda", "benjamin", "david", "edward", "linda", "paul", "pedro", "robert", "steph", "victor",
)  # fmt: skip
"""espeak-ng's natural-sounding variants."""


@dataclass(frozen=True)
class Dialect:
    """A way of speaking. `language`: `en`, `zh` or `yue`; `known`: the demo model was trained on it."""

    name: str
    language: str
    espeak: str
    known: bool


@dataclass(frozen=True)
class Room:
    """Where and how a speaker is recorded: signal-to-noise ratio and level in dB, reverberation time in s."""

    snr: float
    level: float
    reverberation: float


@dataclass(frozen=True)
class Speaker:
    """One synthetic person."""

    name: str
    dialect: Dialect
    voice: Voice
    room: Room


DIALECTS = (
    Dialect("american", "en", "en-us", True),
    Dialect("mandarin", "zh", "cmn", True),
    Dialect("cantonese", "yue", "yue", False),
    Dialect("scottish", "en", "en-gb-scotland", False),
    Dialect("caribbean", "en", "en-029", False),
)


def known() -> tuple[Dialect, ...]:
    """The dialects the demo model was trained on."""
    return tuple(each for each in DIALECTS if each.known)


def dialect(name: str) -> Dialect:
    """The dialect of that name. Raises EarmarkError `demo:dialect:unknown`."""
    for candidate in DIALECTS:
        if candidate.name == name:
            return candidate
    raise EarmarkError(
        "demo:dialect:unknown",
        f"There is no demo dialect {name!r}.",
        f"Choose one of {', '.join(candidate.name for candidate in DIALECTS)}.",
    )


def training_speaker(of: Dialect, rng: Random) -> Speaker:
    """Somebody new who speaks the dialect: any timbre, pitch, pace and room."""
    voice = Voice(
        of.espeak, rng.choice(TIMBRES), rng.randint(140, 215), rng.randint(20, 85), rng.randint(30, 70)
    )
    return Speaker("", of, voice, _some_room(rng))


def speakers(per_dialect: int = 8, *, seed: int = 0) -> tuple[Speaker, ...]:
    """The demo's people: `per_dialect` (1 to 30) of each dialect, all of different timbre within it."""
    found: list[Speaker] = []
    for of in DIALECTS:
        rng = Random(f"{seed}:{of.name}")
        for number, timbre in enumerate(rng.sample(TIMBRES, per_dialect), start=1):
            voice = Voice(of.espeak, timbre, rng.randint(150, 200), rng.randint(30, 75), rng.randint(40, 60))
            found.append(Speaker(f"{of.name}-{number:02d}", of, voice, _some_room(rng)))
    return tuple(found)


def speak(synthesiser: Synthesiser, speaker: Speaker, text: str, rng: Random) -> np.ndarray:
    """The speaker says `text` once: float32 [n] at 16 kHz, pace and pitch varied a little by `rng`."""
    return speak_timed(synthesiser, speaker, text, rng)[0]


def speak_timed(
    synthesiser: Synthesiser, speaker: Speaker, text: str, rng: Random
) -> tuple[np.ndarray, tuple[SpokenWord, ...]]:
    """As `speak`, and the words as they lie in the samples: a word ends where its sound does, without its pause."""
    voice = speaker.voice
    varied = replace(
        voice,
        words_per_minute=voice.words_per_minute + rng.randint(-8, 8),
        pitch=voice.pitch + rng.randint(-4, 4),
    )
    spoken = synthesiser.say(text, varied)
    samples = soxr.resample(spoken.samples, spoken.rate, SAMPLE_RATE, quality="HQ").astype(np.float32)
    first, last = _sounding(samples, 0, len(samples))
    heard, before = _in_room(samples[first:last], speaker.room, rng)
    scale, shift = SAMPLE_RATE / spoken.rate, before - first
    words = []
    for word in spoken.words:
        start, end = max(first, round(word.start * scale)), round(word.end * scale)
        words.append(word._replace(start=start + shift, end=_sounding(samples, start, end)[1] + shift))
    return heard, tuple(words)


def _in_room(samples: np.ndarray, room: Room, rng: Random) -> tuple[np.ndarray, int]:
    """Samples float32 [n] at 16 kHz as a microphone in the room hears them: echo, level, pinkish noise; and where
    they begin in it.

    A short random pause is added before and after. The echo is noise decaying by 60 dB in the reverberation
    time (Polack's model), 12 dB under the direct sound.
    """
    noise = np.random.default_rng(rng.getrandbits(64))
    before, after = (round(rng.uniform(0.03, 0.15) * SAMPLE_RATE) for _ in range(2))
    wet = np.pad(samples, (before, after)).astype(np.float64)
    if room.reverberation > 0:
        length = round(room.reverberation * SAMPLE_RATE)
        tail = noise.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
        tail *= 10 ** (-12 / 20) / np.sqrt(np.sum(tail**2))
        wet += _convolve(wet, tail)[: len(wet)]
    power = float(np.mean(wet**2))
    hiss = noise.standard_normal(len(wet))
    hiss = 0.5 * hiss + np.cumsum(hiss - hiss.mean()) * 0.02
    hiss *= np.sqrt(power / 10 ** (room.snr / 10) / np.mean(hiss**2))
    mixed = wet + hiss
    mixed *= 10 ** (room.level / 20) / np.max(np.abs(mixed))
    return mixed.astype(np.float32), before


def _some_room(rng: Random) -> Room:
    return Room(rng.uniform(18, 40), rng.uniform(-18, -1), rng.choice((0.0, rng.uniform(0.05, 0.35))))


def _sounding(samples: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """The part of [start, end) from its first to its last sample within 40 dB of the loudest of all."""
    loud = np.flatnonzero(np.abs(samples[start:end]) > 0.01 * np.max(np.abs(samples)))
    return (start + int(loud[0]), start + int(loud[-1]) + 1) if len(loud) else (start, start)


def _convolve(signal: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    length = len(signal) + len(kernel) - 1
    size = 1 << (length - 1).bit_length()
    product = np.fft.rfft(signal, size) * np.fft.rfft(kernel, size)
    return np.fft.irfft(product, size)[:length]
