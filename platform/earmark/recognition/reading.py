"""Read the audio of the next window of clips while the model hears the one before."""

import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from django.db import connection

from earmark.corpus.models import Clip
from earmark.corpus.samples import AT_ONCE, samples_of
from earmark.corpus.stored import UnreachableError
from earmark.speech.errors import EarmarkError

SILENCE = np.zeros(0, dtype=np.float32)
READERS = 4
"""Threads that read: a storage over the network answers slowly, but many at a time."""


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
    """The waveforms of each window of clips, in order, one window read ahead by READERS threads.

    `windows` is drawn from in the caller's thread. Close the iterator to stop the reading early. Raises what reading
    raised, among it UnreachableError: a storage that is away is no fault of a clip.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="reading") as pool:
        try:
            ahead: list[Future[list[Sounding]]] = []
            for window in windows:
                coming = [pool.submit(read, some, stop) for some in handfuls(window)]
                if ahead:
                    yield _all_of(ahead)
                ahead = coming
            if ahead:
                yield _all_of(ahead)
        finally:
            stop.set()


def _all_of(parts: list[Future[list[Sounding]]]) -> list[Sounding]:
    return [sounding for part in parts for sounding in part.result()]


def handfuls(window: list[Clip]) -> Iterator[list[Clip]]:
    """`window` in stretches of some AT_ONCE clips; a recording's clips stay together, so that it is cut once."""
    held: list[Clip] = []
    for _, clips in groupby(window, key=lambda clip: clip.recording_id):
        held += clips
        if len(held) >= AT_ONCE:
            yield held
            held = []
    if held:
        yield held


def read(clips: list[Clip], stop: threading.Event) -> list[Sounding]:
    """Every one of `clips` with its waveform or its error; nothing once told to stop.

    They are read together; where one cannot be read, its neighbours are read without it.
    """
    try:
        return [] if stop.is_set() else _read(clips, stop)
    finally:
        connection.close()


def _read(clips: list[Clip], stop: threading.Event) -> list[Sounding]:
    try:
        samples = dict(samples_of(clips))
    except UnreachableError:
        raise
    except EarmarkError as error:
        if len(clips) == 1:
            return [Sounding(clips[0], SILENCE, error)]
        half = len(clips) // 2
        parts = (clips[:half], clips[half:])
        return [sounding for part in parts if not stop.is_set() for sounding in _read(part, stop)]
    return [Sounding(clip, samples[clip.pk]) for clip in clips]
