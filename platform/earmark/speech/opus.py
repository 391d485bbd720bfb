"""Opus in Ogg: a tenth of the bytes of FLAC, for listening over a thin line."""

import io

import av
import numpy as np
from av.codec.context import Flags

from earmark.speech.audio import SAMPLE_RATE

BIT_RATE = 32_000
"""Bits per second. Speech of 8 kHz bandwidth is transparent at 24,000 to 32,000 (RFC 6716, section 2.1.1)."""

_FULL_SCALE = 32_768.0


def write_opus(samples: np.ndarray) -> bytes:
    """Opus in Ogg of `samples` (float [n], mono 16 kHz; what lies outside [-1, 1] is clipped).

    The same samples give the same bytes: the stream's serial number is fixed and no encoder's name is written.
    """
    scaled = np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        stream.codec_context.flags |= Flags.bitexact
        frame = av.AudioFrame.from_ndarray(scaled[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()
