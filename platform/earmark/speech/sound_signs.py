"""What a clip's sound alone gives away: how loud it gets, and for how long somebody's voice is in it."""

import math
from dataclasses import dataclass

import numpy as np

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.voice_activity import VOICE_FRAME, VoiceDetector

_FRAME_SECONDS = 0.1
_VOICED = 0.5
_AT_ONCE = 32 * VOICE_FRAME


@dataclass(frozen=True)
class Voice:
    """How much voice was found: the surest of its frames, 0 to 1, and `seconds` in which it is likelier than not."""

    surest: float
    seconds: float


def loudest_dbfs(waveform: np.ndarray) -> float:
    """Level of the loudest tenth of a second of float32 [n] at 16 kHz, dB of full scale; -inf for digital silence."""
    frame = round(_FRAME_SECONDS * SAMPLE_RATE)
    whole = np.pad(waveform.astype(np.float64), (0, -len(waveform) % frame)).reshape(-1, frame)
    loudest = float(np.sqrt((whole**2).mean(1)).max(initial=0.0))
    return 20 * math.log10(loudest) if loudest > 0 else -math.inf


def voice_in(waveform: np.ndarray, *, enough: float) -> Voice:
    """The voice Silero finds in float32 [n] at 16 kHz, a second at a time, until there is `enough` of it, s.

    Listening stops early because what follows would change nothing for who asks: most clips are speech, and of
    those a part of the first second or two is heard.
    """
    detector = VoiceDetector()
    for first in range(0, len(waveform), _AT_ONCE):
        detector.add(waveform[first : first + _AT_ONCE])
        found = _voice(detector.so_far())
        if found.seconds >= enough:
            return found
    return _voice(detector.finish())


def _voice(likely: np.ndarray) -> Voice:
    seconds = np.count_nonzero(likely > _VOICED) * VOICE_FRAME / SAMPLE_RATE
    return Voice(float(likely.max(initial=0.0)), seconds)
