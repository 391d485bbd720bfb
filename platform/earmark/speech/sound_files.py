"""Open what a descriptor holds as sound: its own samples, block by block, refused where it is not what it promises.

Runs in the decoding child only: the bytes come from outside.
"""

import io
import math
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import numpy as np
import soundfile
import soxr

from earmark.speech import audio_faults, av_files, containers, mp3
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.audio_faults import TRUNCATED, UNSUPPORTED, AudioFault
from earmark.speech.cutting import MAX_RECORDING_SECONDS

BLOCK_VALUES = 131_072
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000
LONGEST_FLAC = 1 << 40
MP3_GRACE = 2 * 1152
SETTLING = SAMPLE_RATE // 2
MISSING_BYTES = {
    **dict.fromkeys(("WAV", "WAVEX", "RF64"), containers.wav_missing_bytes),
    "AIFF": containers.iff_missing_bytes,
    "AU": containers.au_missing_bytes,
    "CAF": containers.caf_missing_bytes,
    "NIST": containers.sphere_missing_bytes,
}


class Sound(Protocol):
    """An open file: `rate` (Hz), `channels` and `format` (`WAV PCM_16`, `OGG OPUS` ...) are its own."""

    rate: int
    channels: int
    format: str

    def blocks(self) -> Iterator[np.ndarray]:
        """The file's own samples, finite float32 [frames, channels], to its end. Raises AudioFault where it breaks."""

    def skip(self, frames: int) -> bool:
        """Have `blocks` begin exactly `frames` later; False, and nothing is done, where the format cannot."""

    def close(self) -> None:
        """Let go of it; the descriptor stays open."""


class _Prefixed:
    """A readable file: `prefix`, then `file` from `offset` on."""

    def __init__(self, prefix: bytes, file: BinaryIO, offset: int) -> None:
        self._prefix, self._file, self._offset = prefix, file, offset
        self._length = len(prefix) + file.seek(0, 2) - offset
        self._at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        size = self._length - self._at if size < 0 else size
        head = self._prefix[self._at : self._at + size]
        self._file.seek(self._offset + max(0, self._at - len(self._prefix)))
        data = head + self._file.read(size - len(head))
        self._at += len(data)
        return data


class _Apart(io.RawIOBase):
    """Reads a descriptor at a position of its own, so that whoever else reads it is not disturbed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._at = descriptor, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._descriptor, [buffer], self._at)
        self._at += count
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        end = os.fstat(self._descriptor).st_size if whence == 2 else 0
        self._at = offset + (0, self._at, end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


class SndfileSound:
    """What libsndfile reads."""

    def __init__(self, sound: soundfile.SoundFile) -> None:
        self._sound = sound
        self.rate, self.channels = sound.samplerate, sound.channels
        self.format = f"{sound.format} {sound.subtype}"
        self._skipped = 0

    def blocks(self) -> Iterator[np.ndarray]:
        return _blocks(self._sound, self._skipped)

    def skip(self, frames: int) -> bool:
        can = containers.can_be_entered(self.format) and frames <= self._sound.frames
        if can:
            self._skipped = self._sound.seek(frames)
        return can

    def close(self) -> None:
        self._sound.close()


def open_sound(descriptor: int) -> Sound:
    """The sound in `descriptor`, known to hold what it promises. Raises AudioFault."""
    file: Any = io.BufferedReader(_Apart(descriptor), 65_536)
    if container := av_files.container_of(file):
        return _rated(av_files.AvSound(file, container))
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        sound = soundfile.SoundFile(descriptor, closefd=False)
    except soundfile.LibsndfileError as error:
        if missing := containers.caf_missing_bytes(file):
            raise AudioFault(
                TRUNCATED, f"ends {missing} bytes before the end that its header promises"
            ) from None
        reason = f"is not audio that can be read ({error.error_string.rstrip('.')})"
        raise AudioFault(audio_faults.UNREADABLE, reason) from None
    try:
        return _rated(SndfileSound(_checked(sound, file)))
    except AudioFault:
        sound.close()
        raise


def _rated(sound: Sound) -> Sound:
    """`sound`, if its rate is one that is taken. Raises AudioFault."""
    if LOWEST_RATE <= sound.rate <= HIGHEST_RATE:
        return sound
    sound.close()
    raise AudioFault(UNSUPPORTED, f"is at {sound.rate} Hz, which is not taken")


def _checked(sound: soundfile.SoundFile, file: BinaryIO) -> soundfile.SoundFile:
    if sound.format in MISSING_BYTES:
        if missing := MISSING_BYTES[sound.format](file):
            raise AudioFault(TRUNCATED, f"ends {missing} bytes before the end that its header promises")
        return sound
    match sound.format, sound.subtype:
        case "OGG", _:
            if not containers.ogg_is_whole(file):
                raise AudioFault(TRUNCATED, "ends before the last page that every Ogg stream must have")
        case "FLAC", _:
            if sound.frames > LONGEST_FLAC:
                raise AudioFault(UNSUPPORTED, "is a FLAC whose header does not say how long it is")
        case "MP3", "MPEG_LAYER_III":
            found = _whole_mp3(file)
            if found.is_told_wrong:
                sound.close()
                return soundfile.SoundFile(_Prefixed(mp3.information_frame(found), file, found.first))
        case container, encoding:
            raise AudioFault(UNSUPPORTED, f"is {container} {encoding}, which is not taken")
    return sound


def _whole_mp3(file: BinaryIO) -> mp3.Mp3Layout:
    found = mp3.layout(file)
    if found is None:
        raise AudioFault(UNSUPPORTED, "is an MP3 of free format, which is not taken")
    if found.partial:
        raise AudioFault(TRUNCATED, f"ends in the middle of a frame, after {found.frames} whole ones")
    if found.is_truncated:
        reason = f"holds {found.frames} of the {found.promised} frames that its header promises"
        raise AudioFault(TRUNCATED, reason)
    return found


def _blocks(sound: soundfile.SoundFile, done: int) -> Iterator[np.ndarray]:
    """The file's own samples after the first `done`, float32 [frames, channels], to its end.

    Raises AudioFault where it breaks off.
    """
    frames = max(1, BLOCK_VALUES // sound.channels)
    while True:
        try:
            block = sound.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            raise AudioFault(*_why_broken_off(sound)) from None
        if not len(block):
            break
        if not np.isfinite(block).all():
            raise AudioFault(audio_faults.DAMAGED, "holds samples that are not numbers")
        done += len(block)
        if done > MAX_RECORDING_SECONDS * sound.samplerate:
            raise AudioFault(audio_faults.TOO_LONG, f"is longer than {MAX_RECORDING_SECONDS // 3600} h")
        yield block
    lacking = sound.frames - done
    if lacking > (MP3_GRACE if sound.format == "MP3" else 0):
        raise AudioFault(audio_faults.DAMAGED, f"has a hole: {lacking} of {sound.frames} samples are lost")


def _why_broken_off(sound: soundfile.SoundFile) -> tuple[str, str]:
    """What follows the place where decoding stopped: more audio (a damaged stretch), or nothing (a lost end)."""
    try:
        goes_on = len(sound.read(1)) > 0
    except soundfile.LibsndfileError:
        goes_on = False
    if goes_on:
        return audio_faults.DAMAGED, "has a stretch that cannot be decoded"
    return TRUNCATED, "breaks off before the end that its header promises"


def at_16_khz(sound: Sound, channel: int | None = None, *, start: int = 0) -> Iterator[np.ndarray]:
    """One channel, or with None the mean of all, at 16 kHz from sample `start` on: float32 [n] pieces in [-1, 1].

    Where the format can be entered in the middle, the samples are those of a pass from the beginning to within the
    rounding of 32-bit arithmetic: the resampler begins at a place where its phase is the same, and is given 0.5 s to
    settle. The other formats are decoded from the beginning.
    """
    resampler, common = None, math.gcd(sound.rate, SAMPLE_RATE)
    if sound.rate != SAMPLE_RATE:
        resampler = soxr.ResampleStream(sound.rate, SAMPLE_RATE, 1, dtype="float32")
    steps = max(0, start - SETTLING) * common // SAMPLE_RATE
    entered = steps * SAMPLE_RATE // common if steps and sound.skip(steps * sound.rate // common) else 0
    unwanted = start - entered
    for block in sound.blocks():
        mono = one_voice(block, channel)
        piece = resampler.resample_chunk(mono) if resampler else mono
        yield np.clip(piece[unwanted:], -1.0, 1.0)
        unwanted = max(0, unwanted - len(piece))
    if resampler:
        yield np.clip(resampler.resample_chunk(np.zeros(0, np.float32), last=True)[unwanted:], -1.0, 1.0)


def one_voice(block: np.ndarray, channel: int | None) -> np.ndarray:
    """float32 [frames] of [frames, channels]: that channel, or with None the mean of all."""
    if channel is not None:
        return np.ascontiguousarray(block[:, channel])
    if block.shape[1] == 1:
        return block[:, 0]
    return block @ np.full(block.shape[1], 1 / block.shape[1], np.float32)
