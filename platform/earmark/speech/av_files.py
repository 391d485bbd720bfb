"""What libsndfile does not read, by PyAV: MP4 and 3GP, Matroska and WebM, AMR, ASF (WMA), ADTS (AAC).

Runs in the decoding child only. FFmpeg gets bytes and never a name: the container is told by its first bytes and fixed
before FFmpeg sees it, so a playlist in disguise is no playlist, and no other file and no address can be opened. Only
the demuxers and decoders listed here run, on one thread.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from earmark.speech import audio_faults, containers
from earmark.speech.audio_faults import DAMAGED, TRUNCATED, UNREADABLE, UNSUPPORTED, AudioFault
from earmark.speech.cutting import MAX_RECORDING_SECONDS

if TYPE_CHECKING:
    import av

DECODERS = {
    **{"aac": "AAC", "alac": "ALAC", "opus": "OPUS", "vorbis": "VORBIS", "mp3": "MP3", "mp3float": "MP3"},
    **{"flac": "FLAC", "amrnb": "AMR_NB", "amrwb": "AMR_WB", "wmav1": "WMA_1", "wmav2": "WMA_2"},
    **{"wmapro": "WMA_PRO", "pcm_s16le": "PCM_16", "pcm_s16be": "PCM_16", "pcm_s24le": "PCM_24"},
    **{"pcm_s24be": "PCM_24", "pcm_s32le": "PCM_32", "pcm_f32le": "FLOAT", "pcm_alaw": "ALAW"},
    **{"pcm_mulaw": "ULAW", "pcm_u8": "PCM_U8"},
}
BLOCK_FRAMES = 65_536
LACKING_SECONDS = 0.5
_FULL_SCALE = {"u8": 128.0, "s16": 32_768.0, "s32": 2_147_483_648.0, "s64": 2.0**63, "flt": 1.0, "dbl": 1.0}


@dataclass(frozen=True)
class Container:
    """A container: its name, FFmpeg's demuxer for it, and what measures how many promised bytes are not there."""

    name: str
    demuxer: str
    missing_bytes: Callable[[BinaryIO], int]


_MP4 = Container("MP4", "mov", containers.mp4_missing_bytes)
_MATROSKA = Container("WEBM", "matroska", containers.matroska_missing_bytes)
_ASF = Container("ASF", "asf", containers.asf_missing_bytes)
_AMR = Container("AMR", "amr", containers.amr_missing_bytes)
_ADTS = Container("AAC", "aac", containers.adts_missing_bytes)
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


def container_of(file: BinaryIO) -> Container | None:
    """The container that the first bytes of `file` tell of; None for any that is not read here."""
    file.seek(0)
    head = file.read(16)
    if head[4:8] in (b"ftyp", b"moov") or (head[4:8] in (b"mdat", b"wide", b"free") and len(head) == 16):
        return _MP4
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _MATROSKA
    if head == _ASF_HEADER:
        return _ASF
    if head.startswith((b"#!AMR\n", b"#!AMR-WB\n")):
        return _AMR
    return _ADTS if len(head) > 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 else None


class AvSound:
    """What PyAV reads. `rate` and `channels` are those of the first frame that comes out, not what the header says."""

    def __init__(self, file: BinaryIO, container: Container) -> None:
        """Raises AudioFault."""
        import av

        if missing := container.missing_bytes(file):
            raise AudioFault(TRUNCATED, f"ends {missing} bytes before the end that it promises")
        file.seek(0)
        self._opened: av.container.InputContainer | None = None
        try:
            self._opened = _opened(file, container)
            self._stream = _sound_of(self._opened)
            self._frames = self._decoded()
            self._first = next(self._frames, None)
        except av.error.FFmpegError as error:
            self.close()
            raise AudioFault(UNREADABLE, f"is not audio that can be read ({error.strerror})") from None
        except AudioFault:
            self.close()
            raise
        if self._first is None:
            self.close()
            raise AudioFault(UNREADABLE, "holds no sound that can be read")
        self.rate, self.channels = self._first.sample_rate, self._first.layout.nb_channels
        self.format = f"{container.name} {DECODERS[self._stream.codec_context.name]}"

    def blocks(self) -> Iterator[np.ndarray]:
        held: list[np.ndarray] = []
        waiting = done = 0
        for frame in self._from_the_first():
            if (frame.sample_rate, frame.layout.nb_channels) != (self.rate, self.channels):
                raise AudioFault(DAMAGED, "changes its sample rate or its channels on the way")
            held.append(_samples(frame))
            waiting += len(held[-1])
            done += len(held[-1])
            if done > MAX_RECORDING_SECONDS * self.rate:
                raise AudioFault(audio_faults.TOO_LONG, f"is longer than {MAX_RECORDING_SECONDS // 3600} h")
            if waiting >= BLOCK_FRAMES:
                yield np.concatenate(held)
                held, waiting = [], 0
        if held:
            yield np.concatenate(held)
        self._check_length(done / self.rate)

    def skip(self, frames: int) -> bool:
        return False

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    def _decoded(self) -> "Iterator[av.AudioFrame]":
        assert self._opened
        for packet in self._opened.demux(self._stream):
            if packet.is_corrupt:
                raise AudioFault(DAMAGED, "has a stretch that is marked as damaged")
            yield from packet.decode()

    def _from_the_first(self) -> "Iterator[av.AudioFrame]":
        import av

        if self._first is not None:
            yield self._first
            self._first = None
        try:
            yield from self._frames
        except av.error.FFmpegError:
            raise AudioFault(DAMAGED, "has a stretch that cannot be decoded") from None

    def _check_length(self, seconds: float) -> None:
        """The stream's own length, where the container knows it, is what came out."""
        if self._stream.duration is None or self._stream.time_base is None:
            return
        promised = float(self._stream.duration * self._stream.time_base)
        if promised - seconds > LACKING_SECONDS:
            raise AudioFault(DAMAGED, f"has a hole: {seconds:.1f} of {promised:.1f} s can be heard")


def _opened(file: BinaryIO, container: Container) -> "av.container.InputContainer":
    import av

    av.logging.set_level(None)
    whitelists = {
        "format_whitelist": container.demuxer if container.demuxer != "mov" else "mov,mp4,m4a,3gp,3g2,mj2",
        "codec_whitelist": ",".join(DECODERS),
        "protocol_whitelist": "none",
    }
    return av.open(file, format=container.demuxer, options=whitelists, metadata_errors="replace", mode="r")


def _sound_of(opened: "av.container.InputContainer") -> "av.AudioStream":
    """The first stream of sound, ready to be decoded on one thread. Raises AudioFault."""
    from av.stream import Discard

    if not opened.streams.audio:
        raise AudioFault(UNREADABLE, "holds no sound")
    stream = opened.streams.audio[0]
    if stream.codec_context is None or stream.codec_context.name not in DECODERS:
        name = getattr(stream.codec_context, "name", "a codec that is not known")
        raise AudioFault(UNSUPPORTED, f"is packed by {name}, which is not taken")
    stream.codec_context.thread_count = 1
    for other in opened.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    return stream


def _samples(frame: "av.AudioFrame") -> np.ndarray:
    """float32 [frames, channels], full scale at 1. Raises AudioFault for what is not finite."""
    values: Any = frame.to_ndarray()
    samples = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    kind = frame.format.name.removesuffix("p")
    if samples.dtype != np.float32 or kind == "u8":
        samples = (samples.astype(np.float64) - (128.0 if kind == "u8" else 0.0)) / _FULL_SCALE[kind]
    samples = np.ascontiguousarray(samples, np.float32)
    if not np.isfinite(samples).all():
        raise AudioFault(audio_faults.DAMAGED, "holds samples that are not numbers")
    return samples
