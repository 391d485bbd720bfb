"""How far speech stands out of what else is heard: signal-to-noise ratio of a clip in dB."""

import numpy as np

LOWEST_DB, HIGHEST_DB = -10.0, 60.0


def estimate(levels: np.ndarray, is_speech: np.ndarray) -> float | None:
    """dB, -10 to 60, of a clip's frames: `levels` dB [n, bands], `is_speech` bool [n]; None without speech."""
    if not is_speech.any():
        return None
    power = 10 ** (levels / 10)
    quiet = power[~is_speech]
    noise = quiet.mean(axis=0) if len(quiet) >= 10 else np.percentile(power, 10, axis=0)
    heard, noise_power = power[is_speech].mean(axis=0).sum(), max(float(noise.sum()), 1e-12)
    ratio = max(float(heard) / noise_power - 1, 1e-3)
    return float(np.clip(10 * np.log10(ratio), LOWEST_DB, HIGHEST_DB))
