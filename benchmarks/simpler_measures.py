"""What others would use, to hold our measures against."""

from functools import cache

import numpy as np

from earmark.speech.audio import SAMPLE_RATE


def wada_snr(samples: np.ndarray) -> float:
    """dB by Kim and Stern's waveform amplitude distribution analysis (Interspeech 2008), -20 to 100."""
    amplitudes = np.abs(samples) + 1e-10
    spread = np.log(amplitudes.mean()) - np.log(amplitudes).mean()
    decibels, spreads = _wada_table()
    return float(np.interp(spread, spreads, decibels))


@cache
def _wada_table() -> tuple[np.ndarray, np.ndarray]:
    """dB, and the spread of speech (a gamma distribution of shape 0.4, as they have it) in Gaussian noise at each."""
    random = np.random.default_rng(0)
    speech = random.gamma(0.4, 1, 400_000) * random.choice([-1, 1], 400_000)
    speech /= np.sqrt(np.mean(speech**2))
    noise = random.standard_normal(400_000)
    decibels = np.arange(-20, 101)
    spreads = []
    for level in decibels:
        amplitudes = np.abs(speech + noise * 10 ** (-level / 20)) + 1e-10
        spreads.append(np.log(amplitudes.mean()) - np.log(amplitudes).mean())
    return decibels, np.maximum.accumulate(spreads)


def roll_off(samples: np.ndarray, share: float = 0.999) -> float:
    """The frequency in Hz under which `share` of the energy lies, for samples at 16 kHz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    below = np.searchsorted(np.cumsum(power), share * power.sum())
    return float(below * SAMPLE_RATE / len(samples))


def full_scale_share(samples: np.ndarray) -> float:
    """The share of samples within 1 % of full scale."""
    return float(np.mean(np.abs(samples) >= 0.99))
