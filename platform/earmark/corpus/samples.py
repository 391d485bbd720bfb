"""The waveforms of clips, for hearing and for training.

A clip that is its whole recording is decoded from the file as it came. The clips of a longer recording are cut
together with those near them when the first of these is asked for, and kept as FLAC beside it.
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
from earmark.speech.containers import can_be_entered
from earmark.speech.cutting import MAX_RECORDING_SECONDS, Stretch
from earmark.speech.decoding import Decoder
from earmark.speech.errors import EarmarkError

CLIPS_FOLDER = "clips-1"  # another number when the same clip would be cut to other samples
AT_ONCE = 32
WINDOW_SECONDS = 600

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
    held = stored.read(clip_name(clip))
    if held is None:
        keep_flac(clip)
        held = stored.read(clip_name(clip))
    if held is None:
        raise unknown(clip)
    return held


def keep_flac(clip: Clip) -> None:
    """Cut the clip, and keep it as `clip_name` says. Raises EarmarkError `corpus:audio:...`."""
    if _is_whole(clip):
        stored.keep_bytes(clip_name(clip), write_flac(clip_samples(clip)))
        return
    _cut_around(clip)
    if stored.size(clip_name(clip)) is None:
        raise unknown(clip)


def unknown(clip: Clip) -> EarmarkError:
    """The error for a clip whose recording no longer has it."""
    return EarmarkError(
        "corpus:clip:unknown", f"Clip {clip.pk} is no longer there.", "Read the recording's clips again."
    )


def stretch_of(clip: Clip) -> Stretch:
    """Where the clip lies in its recording, in samples."""
    return Stretch(round(clip.start * SAMPLE_RATE), round((clip.start + clip.seconds) * SAMPLE_RATE))


def clip_name(clip: Clip) -> str:
    """Where in the storage the clip's FLAC is kept."""
    return flac_name(clip.recording, stretch_of(clip), clip.channel)


def flac_name(recording: Recording, stretch: Stretch, channel: int | None = None) -> str:
    """Where in the storage the FLAC of a stretch of one channel (None: the mean of all) is kept."""
    digest, voice = recording.sha256, "" if channel is None else f"-{channel}"
    return f"{CLIPS_FOLDER}/{digest[:2]}/{digest}/{stretch.start}-{stretch.end}{voice}.flac"


def _is_whole(clip: Clip) -> bool:
    stretch = stretch_of(clip)
    is_all_of_it = stretch.start == 0 and stretch.end == round(clip.recording.seconds * SAMPLE_RATE)
    return is_all_of_it and clip.channel is None


def _cut_around(clip: Clip) -> None:
    """Cut the clip, and with it the others of its window, in one pass for each channel.

    A window is ten minutes where the format can be entered in the middle, else the whole recording: decoding that again
    for each clip would take an hour per hour. Windows begin at the same places whichever clip is asked for, so that the
    same clip is the same bytes each time.
    """
    recording, window = clip.recording, window_of(clip)
    wanted: dict[int | None, set[Stretch]] = {}
    for other in recording.clips.filter(start__gte=window.start_seconds, start__lt=window.end / SAMPLE_RATE):
        wanted.setdefault(other.channel, set()).add(stretch_of(other))
    with stored.local(recording.file.name or "") as path:
        for channel, some in wanted.items():
            stretches = sorted(some, key=lambda one: (one.start, one.end))
            pieces = decoder().stretches(
                path, stretches, name=recording.name, channel=channel, start=window.start
            )
            for stretch, piece in zip(stretches, pieces, strict=True):
                stored.keep_bytes(flac_name(recording, stretch, channel), write_flac(piece))


def window_of(clip: Clip) -> Stretch:
    """The part of the clip's recording that is cut in one pass."""
    recording = clip.recording
    if not can_be_entered(recording.format):
        return Stretch(0, MAX_RECORDING_SECONDS * SAMPLE_RATE)
    first = int(clip.start // WINDOW_SECONDS) * WINDOW_SECONDS * SAMPLE_RATE
    return Stretch(first, first + WINDOW_SECONDS * SAMPLE_RATE)
