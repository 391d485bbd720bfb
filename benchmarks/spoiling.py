"""Ways in which recordings are spoilt, as they happen: telephones, codecs, converters driven too hard."""

import io
from random import Random

import numpy as np
import scipy.signal
import soundfile
import soxr

from earmark.speech.audio import SAMPLE_RATE

TELEPHONE = 8_000
CODECS = ("mp3", "opus", "vorbis")
_CODEC_FORMATS = {
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "opus": ("OGG", "OPUS"),
    "vorbis": ("OGG", "VORBIS"),
}


def through_codec(samples: np.ndarray, codec: str, *, level: float = 0.5) -> np.ndarray:
    """float32 [n] at 16 kHz written and read again as `mp3`, `opus` or `vorbis`; `level` 0 (best) to 1 (smallest)."""
    container, encoding = _CODEC_FORMATS[codec]
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", SAMPLE_RATE, 1, encoding, format=container, compression_level=level
    ) as sound:
        sound.write(samples)
    file.seek(0)
    heard, rate = soundfile.read(file, dtype="float32")
    if rate != SAMPLE_RATE:
        heard = soxr.resample(heard, rate, SAMPLE_RATE)
    return np.asarray(heard[: len(samples)], np.float32)


def in_bits(samples: np.ndarray, bits: int = 16) -> np.ndarray:
    """Rounded to so many bits."""
    steps = 2.0 ** (bits - 1)
    return (np.clip(np.rint(samples * steps), -steps, steps - 1) / steps).astype(np.float32)


def by_telephone(samples: np.ndarray, rng: Random) -> np.ndarray:
    """Recorded at 8 kHz, plainly or in mu-law, A-law, and written at 16 kHz by a resampler, good or bad."""
    narrow = soxr.resample(samples, SAMPLE_RATE, TELEPHONE)
    if rng.random() < 0.5:
        low, high = 300 / (TELEPHONE / 2), 3_400 / (TELEPHONE / 2)
        sections = scipy.signal.butter(4, [low, high], "bandpass", output="sos")
        narrow = scipy.signal.sosfilt(sections, narrow).astype(np.float32)
    coding = rng.choice(("PCM_16", "ULAW", "ALAW"))
    file = io.BytesIO()
    soundfile.write(file, narrow, TELEPHONE, format="WAV", subtype=coding)
    file.seek(0)
    narrow, _ = soundfile.read(file, dtype="float32")
    match rng.choice(("soxr HQ", "soxr LQ", "polyphase", "fourier", "linear", "repeated")):
        case "soxr HQ":
            wide = soxr.resample(narrow, TELEPHONE, SAMPLE_RATE, quality="HQ")
        case "soxr LQ":
            wide = soxr.resample(narrow, TELEPHONE, SAMPLE_RATE, quality="LQ")
        case "polyphase":
            wide = scipy.signal.resample_poly(narrow, 2, 1)
        case "fourier":
            wide = scipy.signal.resample(narrow, 2 * len(narrow))
        case "linear":
            wide = np.interp(np.arange(2 * len(narrow)) / 2, np.arange(len(narrow)), narrow)
        case _:
            wide = np.repeat(narrow, 2)
    return in_bits(wide[: len(samples)])


def clipped(samples: np.ndarray, share: float, rng: Random) -> np.ndarray:
    """Driven so hard that `share` of the samples are cut off, then turned down by up to 12 dB, in 16 bits."""
    limit = float(np.quantile(np.abs(samples), 1 - share))
    cut = np.clip(samples, -limit, limit) / limit
    return in_bits(cut * np.float32(rng.choice((1.0, 10 ** (rng.uniform(-12, 0) / 20)))))
