"""Where somebody speaks: Silero's voice detector, run as its samples stream by.

The package `silero-vad` brings the model; onnxruntime runs it, without torch. Of its files the one that takes a whole
sequence is used: what it does to each frame alone runs as one batch, and only its recurrent layer goes frame by frame,
so the answer is that of the model run frame by frame, to the bit, at twice its pace.
"""

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.errors import EarmarkError
from earmark.speech.series import Series

if TYPE_CHECKING:
    import onnxruntime

VOICE_FRAME = 512
"""Samples at 16 kHz that one probability stands for: 32 ms."""

_MODEL = "silero_vad_16k_sequence.onnx"
_CONTEXT = 64
_STATE = 128
_AT_ONCE = 256
_WARNINGS_OFF = 3


class VoiceDetector:
    """Hears samples as they stream by and says for each frame of 32 ms how likely somebody speaks in it."""

    def __init__(self) -> None:
        self._rest = np.zeros(_CONTEXT, np.float32)
        self._state = (np.zeros((1, 1, _STATE), np.float32), np.zeros((1, 1, _STATE), np.float32))
        self._heard = Series(np.float32)

    def add(self, samples: np.ndarray) -> None:
        """Take in float32 [n] at 16 kHz in [-1, 1]."""
        joined = np.concatenate([self._rest, samples])
        whole = (len(joined) - _CONTEXT) // VOICE_FRAME
        for first in range(0, whole, _AT_ONCE):
            last = min(first + _AT_ONCE, whole)
            self._hear(joined[first * VOICE_FRAME : last * VOICE_FRAME + _CONTEXT])
        self._rest = joined[whole * VOICE_FRAME :].copy()

    def so_far(self) -> np.ndarray:
        """float32 [frames heard whole] in [0, 1]."""
        return self._heard.all()

    def finish(self) -> np.ndarray:
        """float32 [ceil(n / 512)] in [0, 1]; a last piece shorter than a frame is heard as if silence followed."""
        waiting = len(self._rest) - _CONTEXT
        if waiting:
            self._hear(np.pad(self._rest, (0, VOICE_FRAME - waiting)))
        return self._heard.all()

    def _hear(self, joined: np.ndarray) -> None:
        """Whole frames, the 64 samples before the first of them in front."""
        windows = np.lib.stride_tricks.sliding_window_view(joined, _CONTEXT + VOICE_FRAME)[::VOICE_FRAME]
        hidden, cell = self._state
        given = {"input": np.ascontiguousarray(windows), "h": hidden, "c": cell}
        likely, hidden, cell = _model().run(None, given)
        self._state = hidden, cell
        self._heard.add(likely.reshape(-1))


@cache
def _model() -> "onnxruntime.InferenceSession":
    """The model, on one thread: no other is started, which a limited process could not do.

    Left alone, onnxruntime reports its use to Microsoft, from a thread and a database of its own.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # here, so that whoever needs only the settings does not wait for it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _WARNINGS_OFF
    return onnxruntime.InferenceSession(str(_model_file()), options, providers=["CPUExecutionProvider"])


def load() -> None:
    """Have the model in memory, for a process that gives up what loading needs. Raises EarmarkError."""
    _model()


def _model_file() -> Path:
    """The file in the package, found without importing it: importing it would bring in torch."""
    found = importlib.util.find_spec("silero_vad")
    places = found.submodule_search_locations if found else None
    for place in places or ():
        file = Path(place) / "data" / _MODEL
        if file.is_file():
            return file
    raise EarmarkError(
        "corpus:voice:model",
        f"The package silero-vad is not installed, or its file {_MODEL} is missing.",
        "Install the platform's packages with `make setup`.",
    )


assert SAMPLE_RATE == 16_000, "the model hears 16 kHz"
