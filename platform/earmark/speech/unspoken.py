"""Sounds nobody says anything in, made from a seed: what an aligner learns not to take for speech."""

from random import Random

import numpy as np

from earmark.speech.audio import SAMPLE_RATE

KINDS = ("noise", "tones", "clicks", "silence")


def coloured_noise(samples: int, rng: Random) -> np.ndarray:
    """float32 [samples] of mean square 1: steady noise falling by 0 to 6 dB an octave (white to brown)."""
    drawn = np.random.default_rng(rng.getrandbits(64))
    spectrum = np.fft.rfft(drawn.standard_normal(samples))
    steps = np.maximum(np.arange(len(spectrum)), max(1.0, samples / 400))
    made = np.fft.irfft(spectrum * steps ** -rng.uniform(0, 1), samples)
    return np.asarray(made / np.sqrt(np.mean(np.square(made))), np.float32)


def with_noise(samples: np.ndarray, snr_db: float, rng: Random) -> np.ndarray:
    """float32 [n] with `coloured_noise` that many dB under the mean square of its loud half."""
    power = np.square(samples, dtype=np.float64)
    frames = power[: len(power) // 160 * 160].reshape(-1, 160).mean(1)
    loud = float(frames[frames >= np.median(frames)].mean()) if len(frames) else 0.0
    made = coloured_noise(len(samples), rng)
    return np.asarray(samples + made * np.float32(np.sqrt(loud / 10 ** (snr_db / 10))), np.float32)


def unspoken(seconds: float, kind: str, rng: Random) -> np.ndarray:
    """float32 [n] at 16 kHz of one of `KINDS`, its loudest sample 1 to 40 dB under full scale."""
    count = round(seconds * SAMPLE_RATE)
    if kind == "noise":
        made = coloured_noise(count, rng)
    elif kind == "tones":
        made = _tones(count, rng) + 0.01 * coloured_noise(count, rng)
    elif kind == "clicks":
        made = 0.01 * coloured_noise(count, rng)
        for _ in range(rng.randint(1, 8)):
            made[rng.randrange(count) :][: rng.randint(1, 200)] += rng.choice((-1.0, 1.0))
    else:
        return np.asarray(coloured_noise(count, rng) * 10 ** rng.uniform(-4, -3.3), np.float32)
    return np.asarray(made / np.abs(made).max() * 10 ** (-rng.uniform(1, 40) / 20), np.float32)


def _tones(count: int, rng: Random) -> np.ndarray:
    """One to four notes after each other, each with overtones and a decay."""
    made = np.zeros(count)
    starts = sorted([0, *(rng.randrange(count) for _ in range(rng.randint(0, 3)))])
    for start, end in zip(starts, [*starts[1:], count], strict=True):
        time = np.arange(end - start) / SAMPLE_RATE
        pitch, decay = rng.uniform(80, 1_500), rng.uniform(0, 4)
        for overtone in range(1, rng.randint(1, 6) + 1):
            phase = rng.uniform(0, 2 * np.pi)
            made[start:end] += np.sin(2 * np.pi * pitch * overtone * time + phase) / overtone
        made[start:end] *= np.exp(-decay * time)
    return made
