"""A tone in every format that is taken, made on the spot."""

import io
from functools import cache

import soundfile

from tests.speech.audio_files import encoded, tone
from tests.speech.av_encoded import MADE, av_encoded

SECONDS = 2.0
SNDFILE = {
    "alaw.wav": ("WAV", "ALAW", 8_000, 1),
    "mulaw.wav": ("WAV", "ULAW", 8_000, 2),
    "24.wav": ("WAV", "PCM_24", 48_000, 2),
    "32.wav": ("WAV", "PCM_32", 16_000, 1),
    "u8.wav": ("WAV", "PCM_U8", 16_000, 1),
    "float.wav": ("WAV", "FLOAT", 44_100, 1),
    "double.wav": ("WAV", "DOUBLE", 44_100, 1),
    "gsm.wav": ("WAV", "GSM610", 8_000, 1),
    "adpcm.wav": ("WAV", "IMA_ADPCM", 16_000, 1),
    "eight.wav": ("WAVEX", "PCM_16", 16_000, 8),
    "long.wav": ("RF64", "PCM_16", 16_000, 1),
    "24.flac": ("FLAC", "PCM_24", 48_000, 2),
    "a.aiff": ("AIFF", "PCM_16", 44_100, 2),
    "float.aifc": ("AIFF", "FLOAT", 16_000, 1),
    "a.au": ("AU", "ULAW", 8_000, 1),
    "a.caf": ("CAF", "PCM_16", 44_100, 1),
    "alac.caf": ("CAF", "ALAC_16", 44_100, 1),
    "a.sph": ("NIST", "ULAW", 8_000, 2),
    "pcm.sph": ("NIST", "PCM_16", 16_000, 1),
}
USUAL = {"wav": 16_000, "flac": 16_000, "mp3": 44_100, "ogg": 32_000, "opus": 48_000}
EVERY = (*USUAL, *SNDFILE, *MADE)


def by_sndfile(name: str) -> bytes:
    container, subtype, rate, channels = SNDFILE[name]
    file = io.BytesIO()
    soundfile.write(file, tone(SECONDS, rate, channels, 440.0), rate, subtype, format=container)
    return file.getvalue()


@cache
def made(name: str) -> tuple[bytes, int, int]:
    """The bytes of a tone of 440 Hz in that format, its rate, its channels."""
    if name in USUAL:
        return encoded(tone(SECONDS, USUAL[name], 1, 440.0), USUAL[name], name), USUAL[name], 1
    if name in SNDFILE:
        return by_sndfile(name), *SNDFILE[name][2:]
    return av_encoded(name, tone(SECONDS, MADE[name][2], 1, 440.0)), MADE[name][2], 1
