"""Disturbances of the student's audio: speed, reverberation and noise on samples, masks on log-mel frames."""

import numpy as np
import soxr
import torch
from scipy.signal import fftconvolve

from earmark.speech.audio import MAX_CLIP_SECONDS, MIN_CLIP_SECONDS, SAMPLE_RATE
from training_jobs.recipe.recipes import Augmentation

_REVERB_SECONDS = (0.05, 0.25)
"""Least and greatest time in which the reverberation falls by 60 dB: small furnished rooms."""
_REVERB_LEVEL = (0.05, 0.3)


def disturb(samples: np.ndarray, options: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """A disturbed copy of `samples` (float32 [n], 16 kHz): speed, reverberation, noise, each by its chance."""
    if rng.random() < options.speed_chance and options.speed:
        samples = change_speed(samples, float(rng.uniform(1 - options.speed, 1 + options.speed)))
    if rng.random() < options.reverb_chance:
        samples = reverberate(
            samples, float(rng.uniform(*_REVERB_SECONDS)), float(rng.uniform(*_REVERB_LEVEL)), rng
        )
    if rng.random() < options.noise_chance:
        samples = add_noise(samples, float(rng.uniform(options.noise_snr_low, options.noise_snr_high)), rng)
    return samples


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Play `factor` times as fast by resampling, tempo and pitch together, within a clip's legal length.

    The resampler must not cut the high frequencies: a model taught on such copies mishears clips as they are.
    """
    least = len(samples) / (MAX_CLIP_SECONDS * SAMPLE_RATE)
    most = len(samples) / (MIN_CLIP_SECONDS * SAMPLE_RATE)
    factor = min(max(factor, least), most)
    faster = soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE, quality="HQ").astype(np.float32)
    fewest = round(MIN_CLIP_SECONDS * SAMPLE_RATE)
    if len(faster) < fewest:
        faster = np.pad(faster, (0, fewest - len(faster)))
    return faster[: round(MAX_CLIP_SECONDS * SAMPLE_RATE)]


def reverberate(samples: np.ndarray, seconds: float, level: float, rng: np.random.Generator) -> np.ndarray:
    """Add the tail of a room: noise that falls by 60 dB in `seconds`, `level` (0..1) of the energy of the
    direct sound.

    Length and loudness (root mean square) stay.
    """
    count = max(2, round(seconds * SAMPLE_RATE))
    tail = rng.standard_normal(count) * np.exp(-6.9 * np.arange(count) / count)
    tail *= np.sqrt(level / np.sum(tail**2))
    tail[0] = 1.0
    wet = fftconvolve(samples, tail)[: len(samples)]
    loudness = np.sqrt(np.mean(samples**2) / max(float(np.mean(wet**2)), 1e-12))
    return (wet * loudness).astype(np.float32)


def add_noise(samples: np.ndarray, snr: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise at `snr` decibels, its spectrum between white and brown (1/f^a, a uniform in 0..2)."""
    count = len(samples)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum *= np.arange(1, len(spectrum) + 1) ** (-rng.uniform(0, 2) / 2)
    noise = np.fft.irfft(spectrum, count)
    power = float(np.mean(samples**2)) / 10 ** (snr / 10)
    noise *= np.sqrt(power / max(float(np.mean(noise**2)), 1e-12))
    return (samples + noise).astype(np.float32)


def mask_features(
    features: torch.Tensor, frames: torch.Tensor, options: Augmentation, rng: np.random.Generator
) -> torch.Tensor:
    """SpecAugment (Park 2019) without warping: a copy of `features` [clips, mels, frames] with masks in it.

    `frames` [clips] counts each clip's frames of real audio; masks lie in those and hold the clip's mean
    value.
    """
    masked = features.clone()
    mels = features.shape[1]
    for i, length in enumerate(frames.tolist()):
        mean = features[i, :, :length].mean()
        for _ in range(options.frequency_masks):
            start, width = _stretch(mels, options.frequency_mask_width, rng)
            masked[i, start : start + width, :length] = mean
        for _ in range(options.time_masks):
            start, width = _stretch(length, options.time_mask_width, rng)
            masked[i, :, start : start + width] = mean
    return masked


def _stretch(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(0, int(length * share) + 1))
    return int(rng.integers(0, length - width + 1)), width
