"""Real audio files for the tests, written on the spot."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from earmark.speech.synthesis import Synthesiser, Voice

ENCODINGS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}


def tone(seconds: float, rate: int = 16_000, channels: int = 1, hertz: float = 220.0) -> np.ndarray:
    """A steady tone at -10 dBFS: float32 [n], or [n, channels] for more than one."""
    times = np.arange(round(seconds * rate)) / rate
    wave = (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)
    return wave if channels == 1 else np.stack([wave] * channels, axis=1)


def encoded(samples: np.ndarray, rate: int, suffix: str, **options: object) -> bytes:
    """`samples` as the bytes of a file that would end in `suffix`."""
    container, subtype = ENCODINGS[suffix]
    file = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(
        file, "w", rate, channels, subtype=subtype, format=container, **options
    ) as sound:
        for start in range(
            0, len(samples), 65_536
        ):  # libsndfile's Vorbis writer overflows on one large write
            sound.write(samples[start : start + 65_536])
    return file.getvalue()


def write(
    path: Path, seconds: float = 1.0, *, rate: int = 16_000, channels: int = 1, hertz: float = 220.0
) -> Path:
    """A tone in the format that `path` is named for; each (seconds, hertz) is content of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(tone(seconds, rate, channels, hertz), rate, path.suffix.lstrip(".").lower()))
    return path


def talk(sentences: int, *, pause: float = 1.0, voice: str = "m3", first: int = 0) -> np.ndarray:
    """That many spoken sentences, each of its own, with pauses of `pause` seconds around them: float32 [n], 16 kHz."""
    speaker, quiet = Synthesiser(), np.zeros(round(pause * 16_000), np.float32)
    pieces = [quiet]
    for number in range(first, first + sentences):
        said = speaker.say(
            f"number {number * 37 + 100} please turn on the light in the kitchen", Voice("en-us", voice)
        )
        pieces += [soxr.resample(said.samples, said.rate, 16_000), quiet]
    return np.concatenate(pieces)


def write_talk(path: Path, sentences: int, **options: Any) -> Path:
    """`talk` in the format that `path` is named for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(talk(sentences, **options), 16_000, path.suffix.lstrip(".").lower()))
    return path


def write_silence(path: Path, seconds: int) -> Path:
    """A WAV of zeros at 16 kHz that takes no room on the disk, however long."""
    head = encoded(np.zeros(0, np.float32), 16_000, "wav")
    size = seconds * 16_000 * 2
    path.write_bytes(head[:-4] + size.to_bytes(4, "little"))
    os.truncate(path, len(head) + size)
    return path
