"""Files of the containers that libsndfile does not write, made on the spot with PyAV."""

import io
from fractions import Fraction

import av
import numpy as np

MADE = {
    "m4a": ("ipod", "aac", 44_100, {}),
    "fragmented.mp4": ("mp4", "aac", 16_000, {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "alac.m4a": ("ipod", "alac", 44_100, {}),
    "3gp": ("3gp", "libopencore_amrnb", 8_000, {}),
    "amr": ("amr", "libopencore_amrnb", 8_000, {}),
    "webm": ("webm", "libopus", 48_000, {}),
    "live.webm": ("webm", "libopus", 48_000, {"live": "1"}),
    "mka": ("matroska", "flac", 16_000, {}),
    "wma": ("asf", "wmav2", 44_100, {}),
    "aac": ("adts", "aac", 44_100, {}),
}


def av_encoded(kind: str, wave: np.ndarray, *, with_picture: bool = False) -> bytes:
    """`wave` (float32 [n], at the rate that MADE gives the kind) as the bytes of such a file."""
    muxer, codec, rate, options = MADE[kind]
    file = io.BytesIO()
    with av.open(file, "w", format=muxer, options=dict(options)) as made:
        sound = made.add_stream(codec, rate=rate, layout="mono")
        sound.codec_context.bit_rate = 12_200 if "amr" in codec else 64_000
        if with_picture:
            _film(made, 20)
        whole = av.AudioFrame.from_ndarray(wave[np.newaxis].astype(np.float32), format="fltp", layout="mono")
        whole.sample_rate, whole.pts = rate, 0
        fifo = av.AudioFifo()
        for piece in av.AudioResampler(sound.codec_context.format.name, "mono", rate).resample(whole):
            fifo.write(piece)
        size = sound.codec_context.frame_size or 1024
        done = 0
        while (frame := fifo.read(size) or fifo.read()) is not None:
            frame.pts, frame.time_base = done, Fraction(1, rate)
            done += frame.samples
            made.mux(sound.encode(frame))
        made.mux(sound.encode(None))
    return file.getvalue()


def _film(made: "av.container.OutputContainer", pictures: int) -> None:
    film = made.add_stream("libvpx" if "webm" in made.format.name else "mpeg4", rate=10)
    film.width = film.height = 64
    film.pix_fmt = "yuv420p"
    for number in range(pictures):
        picture = av.VideoFrame(64, 64, "yuv420p")
        picture.pts = number
        made.mux(film.encode(picture))
    made.mux(film.encode(None))
