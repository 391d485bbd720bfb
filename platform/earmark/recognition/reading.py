"""Read the audio of the next window of clips while the model hears the one before."""

import threading
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from django.db import connection

from earmark.corpus.models import Clip
from earmark.corpus.samples import samples_of
from earmark.speech.errors import EarmarkError

SILENCE = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class Sounding:
    """A clip with its waveform (float32 [n] mono at 16 kHz), or with the reason there is none."""

    clip: Clip
    samples: np.ndarray
    error: EarmarkError | None = None

    def failed(self, error: EarmarkError) -> "Sounding":
        """This clip, with the reason it could not be heard."""
        return replace(self, samples=SILENCE, error=error)


def soundings_ahead(windows: Iterable[list[Clip]]) -> Generator[list[Sounding]]:
    """The waveforms of each window of clips, in order, one window read ahead in a thread.

    `windows` is drawn from in the caller's thread. Close the iterator to stop the reading early.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reading") as pool:
        try:
            ahead: Future[list[Sounding]] | None = None
            for window in windows:
                coming = pool.submit(read, window, stop)
                if ahead:
                    yield ahead.result()
                ahead = coming
            if ahead:
                yield ahead.result()
        finally:
            stop.set()


def read(window: list[Clip], stop: threading.Event) -> list[Sounding]:
    """Every clip of `window` with its waveform or its error; breaks off when told to stop.

    Clips are read recording by recording, so that each file is decoded once; where one clip of a recording cannot
    be read, its neighbours are read one by one.
    """
    soundings: list[Sounding] = []
    try:
        for _, clips in groupby(window, key=lambda clip: clip.recording_id):
            if stop.is_set():
                break
            soundings += _read_recording(list(clips))
    finally:
        connection.close()
    return soundings


def _read_recording(clips: list[Clip]) -> list[Sounding]:
    try:
        samples = dict(samples_of(clips))
    except EarmarkError as error:
        if len(clips) > 1:
            return [sounding for clip in clips for sounding in _read_recording([clip])]
        return [Sounding(clips[0], SILENCE, error)]
    return [Sounding(clip, samples[clip.pk]) for clip in clips]
