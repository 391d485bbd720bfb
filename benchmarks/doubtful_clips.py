"""Clips a recogniser may or may not hear right, with what is said in them, and what the demo model heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from benchmarks.made_sounds import SILENCES, SOUNDS, a_sound
from benchmarks.made_speech import NOISES, noise
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.batching import length_sorted_batches
from earmark.speech.demo_phrases import phrase
from earmark.speech.demo_voices import DIALECTS, speak, training_speaker
from earmark.speech.engine import Engine, Heard
from earmark.speech.synthesis import Synthesiser

SHARES = {"clean": 0.35, "noisy": 0.25, "unknown dialect": 0.2, "silent": 0.1, "no speech": 0.1}
"""What a pool is made of: what a corpus from the street is like after a coarse gate."""
LOWEST_SNR, HIGHEST_SNR = 5.0, 15.0
NOISE_SECONDS = 60
BATCH_SECONDS = 60.0


@dataclass(frozen=True)
class DoubtfulClip:
    """A clip of a kind among `SHARES`: `text` is what a careful annotator writes, empty where nobody speaks."""

    kind: str
    samples: np.ndarray
    text: str
    language: str
    dialect: str

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def doubtful_clips(count: int, seed: int, *, kinds: Sequence[str] = tuple(SHARES)) -> list[DoubtfulClip]:
    """`count` clips of those kinds in the proportions of SHARES, drawn independently."""
    rng, synthesiser = Random(f"doubtful:{seed}"), Synthesiser()
    noises = {kind: noise(kind, NOISE_SECONDS * SAMPLE_RATE, rng, synthesiser) for kind in NOISES}
    drawn = rng.choices(kinds, [SHARES[kind] for kind in kinds], k=count)
    return [_a_clip(kind, rng, synthesiser, noises) for kind in drawn]


def hear(engine: Engine, waveforms: Sequence[np.ndarray]) -> list[Heard]:
    """What the engine hears in each, batch by batch."""
    found: dict[int, Heard] = {}
    lengths = [len(one) / SAMPLE_RATE for one in waveforms]
    for batch in length_sorted_batches(lengths, BATCH_SECONDS):
        found.update(zip(batch, engine.hear([waveforms[i] for i in batch]), strict=True))
    return [found[i] for i in range(len(waveforms))]


def _a_clip(kind: str, rng: Random, synthesiser: Synthesiser, noises: dict[str, np.ndarray]) -> DoubtfulClip:
    if kind in ("silent", "no speech"):
        sounds = [name for name in SOUNDS if (name in SILENCES) == (kind == "silent")]
        return DoubtfulClip(kind, a_sound(rng.choice(sounds), rng), "", rng.choice(("en", "zh")), "")
    known = [one for one in DIALECTS if one.known == (kind != "unknown dialect")]
    speaker = training_speaker(rng.choice(known), rng)
    said = phrase(speaker.dialect.name, rng)
    samples = speak(synthesiser, speaker, said.say, rng)
    if kind == "noisy":
        samples = _in_noise(samples, noises[rng.choice(NOISES)], rng)
    return DoubtfulClip(kind, samples, said.reference, speaker.dialect.language, speaker.dialect.name)


def _in_noise(samples: np.ndarray, made: np.ndarray, rng: Random) -> np.ndarray:
    """With noise of mean square 1 so many dB under the power of the tenths of a second with speech in them."""
    frames = np.pad(samples, (0, -len(samples) % 1600)).reshape(-1, 1600)
    power = np.mean(frames**2, axis=1)
    spoken = float(power[power > 1e-3 * power.max()].mean())
    first = rng.randrange(len(made) - len(samples))
    ratio = rng.uniform(LOWEST_SNR, HIGHEST_SNR)
    mixed = samples + made[first : first + len(samples)] * np.float32(np.sqrt(spoken / 10 ** (ratio / 10)))
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max())), np.float32)
