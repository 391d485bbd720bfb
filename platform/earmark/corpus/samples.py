"""The waveforms of clips, for hearing and for training.

A clip that is its whole recording is decoded from the file as it came. The clips of a longer recording are cut in one
pass when the first of them is asked for, and kept as FLAC beside it.
"""

import atexit
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice

import numpy as np
from django.db.models import prefetch_related_objects

from earmark.corpus import stored
from earmark.corpus.models import Clip, Recording
from earmark.speech.audio import SAMPLE_RATE, Decoded, read_flac, write_flac
from earmark.speech.cutting import Stretch
from earmark.speech.decoding import Decoder
from earmark.speech.errors import EarmarkError

CLIPS_FOLDER = "clips-1"  # another number when the same clip would be cut to other samples
AT_ONCE = 32

_decoders: dict[int, Decoder] = {}


def decoder() -> Decoder:
    """This process's decoder; a forked process gets one of its own."""
    if os.getpid() not in _decoders:
        _decoders.clear()
        _decoders[os.getpid()] = one = Decoder()
        atexit.register(one.close)
    return _decoders[os.getpid()]


def samples_of(clips: Iterable[Clip]) -> Iterator[tuple[int, np.ndarray]]:
    """Each clip's id and its samples, float32 [n] mono at 16 kHz, in the order given.

    Raises EarmarkError: `corpus:audio:...` when a stored recording is gone or can no longer be decoded.
    """
    waiting = iter(clips)
    while some := list(islice(waiting, AT_ONCE)):
        prefetch_related_objects(some, "recording")
        whole = [clip for clip in some if _is_whole(clip)]
        decoded = dict(
            zip((clip.pk for clip in whole), _decoded([clip.recording for clip in whole]), strict=True)
        )
        for clip in some:
            samples = decoded.get(clip.pk)
            yield clip.pk, read_flac(clip_flac(clip)) if samples is None else samples


def clip_samples(clip: Clip) -> np.ndarray:
    """The clip's samples, float32 [n] mono at 16 kHz. Raises EarmarkError `corpus:audio:...`."""
    ((_, samples),) = samples_of([clip])
    return samples


def _decoded(recordings: Sequence[Recording]) -> list[np.ndarray]:
    """The samples of each whole recording, decoded in one go. Raises the first fault."""
    with ExitStack() as held:
        paths = [(held.enter_context(stored.local(one.file.name or "")), one.name) for one in recordings]
        found = list(decoder().decode_all(paths))
    for one in found:
        if isinstance(one, EarmarkError):
            raise one
    return [one.samples for one in found if isinstance(one, Decoded)]


def clip_flac(clip: Clip) -> bytes:
    """The clip as FLAC, 16 kHz mono: the same bytes each time. Raises EarmarkError `corpus:audio:...`."""
    name = flac_name(clip.recording, stretch_of(clip))
    held = stored.read(name)
    if held is not None:
        return held
    if _is_whole(clip):
        data = write_flac(clip_samples(clip))
        stored.keep_bytes(name, data)
        return data
    _cut_all(clip.recording)
    cut = stored.read(name)
    if cut is None:
        raise EarmarkError(
            "corpus:clip:unknown", f"Clip {clip.pk} is no longer there.", "Read the recording's clips again."
        )
    return cut


def stretch_of(clip: Clip) -> Stretch:
    """Where the clip lies in its recording, in samples."""
    return Stretch(round(clip.start * SAMPLE_RATE), round((clip.start + clip.seconds) * SAMPLE_RATE))


def flac_name(recording: Recording, stretch: Stretch) -> str:
    """Where in the storage the FLAC of a stretch is kept."""
    digest = recording.sha256
    return f"{CLIPS_FOLDER}/{digest[:2]}/{digest}/{stretch.start}-{stretch.end}.flac"


def _is_whole(clip: Clip) -> bool:
    stretch = stretch_of(clip)
    return stretch.start == 0 and stretch.end == round(clip.recording.seconds * SAMPLE_RATE)


def _cut_all(recording: Recording) -> None:
    """Cut every clip of a long recording in one pass: decoding it again for each would take an hour per hour."""
    stretches = sorted((stretch_of(clip) for clip in recording.clips.all()), key=lambda one: one.start)
    with stored.local(recording.file.name or "") as path:
        pieces = decoder().stretches(path, stretches, name=recording.name)
        for stretch, piece in zip(stretches, pieces, strict=True):
            stored.keep_bytes(flac_name(recording, stretch), write_flac(piece))
