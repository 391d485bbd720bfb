"""The forms a clip is served in: each made once, when it is first asked for, and kept in the storage."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from earmark.corpus import stored
from earmark.corpus.margins import keep_wide_flac, wide_flac, wide_name
from earmark.corpus.models import Clip
from earmark.corpus.samples import clip_flac, clip_name, keep_flac
from earmark.speech.audio import read_flac
from earmark.speech.opus import write_opus
from earmark.speech.peaks import envelope_json, spectrogram_png


@dataclass(frozen=True)
class Form:
    """One form: how its files end, what a browser is told they are, and how they are made of samples.

    `version` counts up when the same samples would be made into other bytes. None makes FLAC, which is cut, not made.
    """

    ending: str
    content_type: str
    version: int
    make: Callable[[np.ndarray], bytes] | None


FLAC = Form(".flac", "audio/flac", 1, None)
OPUS = Form(".opus", "audio/ogg; codecs=opus", 1, write_opus)
PEAKS = Form(".json", "application/json", 1, envelope_json)
SPECTROGRAM = Form(".png", "image/png", 1, spectrogram_png)

AUDIO = {"flac": FLAC, "opus": OPUS}


@dataclass(frozen=True)
class Served:
    """Where a clip's form is kept, and how many bytes it has. The name follows from the content."""

    name: str
    size: int


def served(clip: Clip, form: Form, *, margin: float = 0.0) -> Served:
    """The clip in that form, made now if it was never asked for. Raises EarmarkError `corpus:audio:...`.

    With a `margin` in seconds it is as much wider on either side: see `earmark.corpus.margins`.
    """
    name = form_name(clip, form, margin=margin)
    size = stored.size(name)
    if size is None:
        if form.make is not None:
            flac = wide_flac(clip, margin) if margin else clip_flac(clip)
            stored.keep_bytes(name, form.make(read_flac(flac)))
        elif margin:
            keep_wide_flac(clip, margin)
        else:
            keep_flac(clip)
        size = stored.size(name)
    assert size is not None
    return Served(name, size)


def form_name(clip: Clip, form: Form, *, margin: float = 0.0) -> str:
    """Where in the storage the clip is kept in that form."""
    name = wide_name(clip, margin) if margin else clip_name(clip)
    return name if form is FLAC else f"{name.removesuffix(FLAC.ending)}.{form.version}{form.ending}"
