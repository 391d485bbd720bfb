"""A clip with what is heard just before and after it, so that people know what it is part of.

The margins are half as loud: the clip's place is heard, and seen in the waveform. Word times refer to the clip itself,
which is served apart from this.
"""

import numpy as np

from earmark.corpus import stored
from earmark.corpus.models import Clip
from earmark.corpus.samples import clip_name, decoder, stretch_of, unknown, window_of
from earmark.speech.audio import SAMPLE_RATE, write_flac
from earmark.speech.cutting import Stretch

VERSION = 1
"""Counts up when the same clip would be given other margins."""
LOUDNESS = 0.5


def wide_stretch(clip: Clip, margin: float) -> Stretch:
    """The clip and `margin` seconds on either side, as far as the recording goes; in samples of the recording."""
    inner, extra = stretch_of(clip), round(margin * SAMPLE_RATE)
    last = max(inner.end, round(clip.recording.seconds * SAMPLE_RATE))
    return Stretch(max(0, inner.start - extra), min(last, inner.end + extra))


def place_in_wide(clip: Clip, margin: float) -> tuple[float, float]:
    """Where the clip begins and ends in what is served with that margin, in seconds."""
    begins = stretch_of(clip).start_seconds - wide_stretch(clip, margin).start_seconds
    return begins, begins + stretch_of(clip).seconds


def faded(samples: np.ndarray, inner: Stretch, outer: Stretch) -> np.ndarray:
    """`samples` (float [n]) of `outer`, with what lies outside `inner` at LOUDNESS."""
    quiet = samples * np.float32(LOUDNESS)
    begins, ends = inner.start - outer.start, inner.end - outer.start
    quiet[begins:ends] = samples[begins:ends]
    return quiet


def wide_name(clip: Clip, margin: float) -> str:
    """Where in the storage the clip with that margin is kept."""
    return f"{clip_name(clip).removesuffix('.flac')}.wide-{VERSION}-{round(margin * 1000)}.flac"


def wide_flac(clip: Clip, margin: float) -> bytes:
    """The clip with that margin as FLAC, 16 kHz mono. Raises EarmarkError `corpus:audio:...`."""
    held = stored.read(wide_name(clip, margin))
    if held is None:
        keep_wide_flac(clip, margin)
        held = stored.read(wide_name(clip, margin))
    if held is None:
        raise unknown(clip)
    return held


def keep_wide_flac(clip: Clip, margin: float) -> None:
    """Cut the clip with that margin, and those near it that annotators have too, in one pass.

    A recording that can only be decoded from its beginning is then decoded once for all its clips of a round. Raises
    EarmarkError `corpus:audio:...`.
    """
    recording, window = clip.recording, window_of(clip)
    near = recording.clips.filter(
        start__gte=window.start_seconds, start__lt=window.end / SAMPLE_RATE, state=Clip.State.IN_ROUND
    )
    same = near.filter(channel=clip.channel).exclude(pk=clip.pk)
    for one in same:
        one.recording = recording
    clips = {wide_stretch(one, margin): one for one in (*same, clip)}
    stretches = sorted(clips, key=lambda one: (one.start, one.end))
    enter = max(0, window.start - round(margin * SAMPLE_RATE))
    with stored.local(recording.file.name or "") as path:
        pieces = decoder().stretches(path, stretches, name=recording.name, channel=clip.channel, start=enter)
        for outer, samples in zip(stretches, pieces, strict=True):
            one = clips[outer]
            wide = faded(samples, stretch_of(one), outer)
            stored.keep_bytes(wide_name(one, margin), write_flac(wide))
