"""Synthetic speech in process: espeak-ng through its C API, about 3 ms a clip.

espeak-ng keeps one voice and one set of parameters per process, so every call sets all of them under one
lock. Its pitch flutter runs on from one utterance to the next and cannot be reset: a fresh process that
says the same things in the same order gives the same samples, a repeat inside one process differs by a few
hundred samples in length. The structure and constants are those of `speak_lib.h` of espeak-ng 1.52.
"""

import ctypes
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import espeakng_loader
import numpy as np

from earmark.speech.errors import EarmarkError

_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_BUFFER_MILLISECONDS = 200
_MAX_DATA_PATH = 150
"""espeak-ng copies its data path into a buffer of 160 bytes and appends to it."""

_EVENT_LAST, _EVENT_WORD, _EVENT_END = 0, 1, 5


class _Event(ctypes.Structure):
    """`espeak_EVENT`; `position` counts characters from 1, `sample` samples from the start."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Voice:
    """Who speaks, in espeak-ng's terms.

    `language` is an espeak-ng language (`en-us`, `cmn`, `yue`); `variant` a timbre from its `!v` folder
    (`m3`, `f2`, empty for the plain voice); `words_per_minute` 80 to 450; `pitch` and `pitch_range` 0 to
    100; `volume` 0 to 200.
    """

    language: str
    variant: str = ""
    words_per_minute: int = 175
    pitch: int = 50
    pitch_range: int = 50
    volume: int = 100

    @property
    def name(self) -> str:
        """The name espeak-ng knows the voice by."""
        return f"{self.language}+{self.variant}" if self.variant else self.language


class SpokenWord(NamedTuple):
    """A word as it was spoken: its characters in the text, [first, first + length), and its samples [start, end).

    The last word of a clause ends with the pause that follows it. A numeral of several words is one for each.
    """

    first: int
    length: int
    start: int
    end: int


class Spoken(NamedTuple):
    """Samples float32 [n] in -1..1, their rate in hertz, and where each word is."""

    samples: np.ndarray
    rate: int
    words: tuple[SpokenWord, ...]


class Synthesiser:
    """Speaks text. Every instance shares the one engine of the process; calls from threads take turns."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _library: ClassVar[ctypes.CDLL | None] = None
    _rate: ClassVar[int] = 0
    _callback: ClassVar[Any] = None
    _pieces: ClassVar[list[np.ndarray]] = []
    _events: ClassVar[list[tuple[int, int, int, int]]] = []

    def __init__(self) -> None:
        with self._lock:
            if Synthesiser._library is None:
                self._open()

    def say(self, text: str, voice: Voice) -> Spoken:
        """Speak `text`.

        Raises EarmarkError `speech:synthesis:voice` for a voice espeak-ng lacks and `speech:synthesis:failed`
        when it makes no sound of the text.
        """
        with self._lock:
            library = self._require_library()
            self._set_voice(library, voice)
            library.espeak_ng_SetRandSeed(zlib.crc32(f"{voice}{text}".encode()))
            Synthesiser._pieces, Synthesiser._events = [], []
            data = text.encode() + b"\0"
            status = library.espeak_Synth(data, len(data), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
            library.espeak_Synchronize()
            pieces, Synthesiser._pieces = Synthesiser._pieces, []
            events, Synthesiser._events = Synthesiser._events, []
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
        if status != 0 or not samples.any():
            raise EarmarkError(
                "speech:synthesis:failed",
                f"espeak-ng made no sound of {text!r} with voice {voice.name!r} (status {status}).",
                "Choose a text in the language of the voice.",
            )
        return Spoken(samples.astype(np.float32) / 32768.0, self._rate, _words(events, len(samples)))

    @classmethod
    def _require_library(cls) -> ctypes.CDLL:
        if cls._library is None:
            raise EarmarkError(
                "speech:synthesis:closed", "espeak-ng is not open.", "Make a Synthesiser first."
            )
        return cls._library

    @classmethod
    def _open(cls) -> None:
        path = espeakng_loader.get_data_path()
        if len(path.encode()) > _MAX_DATA_PATH:
            raise EarmarkError(
                "speech:synthesis:path",
                f"espeak-ng cannot use its data at {path!r}: the path is over {_MAX_DATA_PATH} bytes.",
                "Move the project to a folder with a shorter path.",
            )
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        rate = library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, _BUFFER_MILLISECONDS, path.encode(), _INITIALIZE_DONT_EXIT
        )
        if rate <= 0:
            raise EarmarkError(
                "speech:synthesis:unavailable",
                f"espeak-ng did not start with its data at {path!r} (status {rate}).",
                "Reinstall the package espeakng-loader.",
            )
        cls._callback = _Callback(cls._collector())
        library.espeak_SetSynthCallback(cls._callback)
        cls._library, cls._rate = library, rate

    @classmethod
    def _collector(cls) -> Callable[[Any, int, Any], int]:
        def collect(wave: Any, count: int, events: Any) -> int:
            at = 0
            while events[at].type != _EVENT_LAST:
                event = events[at]
                cls._events.append((event.type, event.position, event.length, event.sample))
                at += 1
            if wave and count > 0:
                cls._pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
            return 0

        return collect

    @staticmethod
    def _set_voice(library: ctypes.CDLL, voice: Voice) -> None:
        if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise EarmarkError(
                "speech:synthesis:voice",
                f"espeak-ng has no voice {voice.name!r}.",
                "Choose a language and a variant from its data folder.",
            )
        for parameter, value in (
            (_RATE, voice.words_per_minute),
            (_VOLUME, voice.volume),
            (_PITCH, voice.pitch),
            (_RANGE, voice.pitch_range),
        ):
            library.espeak_SetParameter(parameter, value, 0)


def _words(events: list[tuple[int, int, int, int]], samples: int) -> tuple[SpokenWord, ...]:
    """The words among events (type, position, length, sample), each until the next or its clause's end."""
    told = [event for event in events if event[0] in (_EVENT_WORD, _EVENT_END)]
    ends = [*(event[3] for event in told[1:]), samples]
    return tuple(
        SpokenWord(position - 1, length, start, end)
        for (kind, position, length, start), end in zip(told, ends, strict=True)
        if kind == _EVENT_WORD
    )
