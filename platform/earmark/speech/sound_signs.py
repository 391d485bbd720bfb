"""What a clip's sound alone gives away: how loud it gets, and for how long somebody's voice is in it."""

import math

import numpy as np

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.voice_activity import VOICE_FRAME, VoiceDetector

_FRAME_SECONDS = 0.1
_VOICED = 0.5
_AT_ONCE = 32 * VOICE_FRAME


def loudest_dbfs(waveform: np.ndarray) -> float:
    """Level of the loudest tenth of a second of float32 [n] at 16 kHz, dB of full scale; -inf for digital silence."""
    frame = round(_FRAME_SECONDS * SAMPLE_RATE)
    whole = np.pad(waveform.astype(np.float64), (0, -len(waveform) % frame)).reshape(-1, frame)
    loudest = float(np.sqrt((whole**2).mean(1)).max(initial=0.0))
    return 20 * math.log10(loudest) if loudest > 0 else -math.inf


def voice_in(waveform: np.ndarray, *, enough: float) -> float:
    """Seconds of float32 [n] at 16 kHz in which Silero finds a voice likelier than not, at least `enough` of them.

    Listening goes on a second at a time and stops where there is enough: more would change nothing for who asks.
    """
    detector = VoiceDetector()
    for first in range(0, len(waveform), _AT_ONCE):
        detector.add(waveform[first : first + _AT_ONCE])
        found = _voiced_seconds(detector.so_far())
        if found >= enough:
            return found
    return _voiced_seconds(detector.finish())


def _voiced_seconds(likely: np.ndarray) -> float:
    return float(np.count_nonzero(likely > _VOICED) * VOICE_FRAME / SAMPLE_RATE)
