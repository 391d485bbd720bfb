"""The child process of `decoding.Decoder`: decodes what it is handed and knows nothing else.

It gets open files, never names; has no file to write, no secrets in its environment and a limit on its memory.

Wire, on one stream socket. A request is 4 bytes length (with the file's descriptor), then JSON: `{"do": "probe"}` or
`{"do": "read", "stretches": [[from, to], ...] | null}` in samples at 16 kHz. An answer is messages of 1 byte kind,
8 bytes length and payload:

    R  ready
    S  float32 samples; for a probe, the loudness of each frame of 10 ms
    J  JSON that ends an answer: what the file is
    E  JSON that ends an answer: what is wrong with the file
"""

import contextlib
import io
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr

from earmark.speech import audio_faults, containers, mp3
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.audio_faults import TRUNCATED, UNSUPPORTED, AudioFault
from earmark.speech.cutting import MAX_RECORDING_SECONDS, LoudnessMeter

BLOCK_VALUES = 131_072
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000
LONGEST_FLAC = 1 << 40
MP3_GRACE = 2 * 1152
HELD_BACK = 1 << 18


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


def open_sound(descriptor: int) -> soundfile.SoundFile:
    """The sound in `descriptor`, known to hold what it promises. Raises AudioFault."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        sound = soundfile.SoundFile(descriptor, closefd=False)
    except soundfile.LibsndfileError as error:
        reason = f"is not audio that can be read ({error.error_string.rstrip('.')})"
        raise AudioFault(audio_faults.UNREADABLE, reason) from None
    try:
        return _checked(sound, io.BufferedReader(_Apart(descriptor), 65_536))
    except AudioFault:
        sound.close()
        raise


def _checked(sound: soundfile.SoundFile, file: BinaryIO) -> soundfile.SoundFile:
    if not LOWEST_RATE <= sound.samplerate <= HIGHEST_RATE:
        raise AudioFault(UNSUPPORTED, f"is at {sound.samplerate} Hz, which is not taken")
    match sound.format, sound.subtype:
        case (("WAV" | "WAVEX" | "RF64"), _):
            if missing := containers.wav_missing_bytes(file):
                raise AudioFault(TRUNCATED, f"ends {missing} bytes before the end that its header promises")
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


def _blocks(sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """The file's own samples, float32 [frames, channels], to its end. Raises AudioFault where it breaks off."""
    frames, done = max(1, BLOCK_VALUES // sound.channels), 0
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


def _inside(sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """The file as mono at 16 kHz: channels averaged, resampled, float32 [n] pieces in [-1, 1]."""
    resampler = None
    if sound.samplerate != SAMPLE_RATE:
        resampler = soxr.ResampleStream(sound.samplerate, SAMPLE_RATE, 1, dtype="float32")
    share = np.full(sound.channels, 1 / sound.channels, np.float32)
    for block in _blocks(sound):
        mono = block[:, 0] if sound.channels == 1 else block @ share
        yield np.clip(resampler.resample_chunk(mono) if resampler else mono, -1.0, 1.0)
    if resampler:
        yield np.clip(resampler.resample_chunk(np.zeros(0, np.float32), last=True), -1.0, 1.0)


def _describe(sound: soundfile.SoundFile, samples: int) -> dict[str, Any]:
    return {
        "samples": samples,
        "rate": sound.samplerate,
        "channels": sound.channels,
        "format": f"{sound.format} {sound.subtype}",
    }


def _probe(sound: soundfile.SoundFile, channel: "Channel") -> None:
    meter, samples = LoudnessMeter(), 0
    for piece in _inside(sound):
        meter.add(piece)
        samples += len(piece)
    channel.send(b"S", meter.finish().astype("<f4").tobytes())
    channel.send_json(b"J", _describe(sound, samples))


def _read(sound: soundfile.SoundFile, channel: "Channel", stretches: list[list[int]] | None) -> None:
    """Send the whole file as it comes, or each stretch (sorted, apart) in one piece."""
    samples = 0
    waiting = list(stretches or [])
    held: list[np.ndarray] = []
    for piece in _inside(sound):
        start, samples = samples, samples + len(piece)
        if stretches is None:
            channel.send(b"S", piece.astype("<f4").tobytes())
            continue
        while waiting and waiting[0][0] < samples:
            first, end = waiting[0]
            held.append(piece[max(0, first - start) : max(0, end - start)].copy())
            if end > samples:
                break
            channel.send(b"S", np.concatenate(held).astype("<f4").tobytes())
            waiting.pop(0)
            held = []
        if not waiting:
            break
    if waiting:
        asked = f"{waiting[0][0] / SAMPLE_RATE:.3f} to {waiting[0][1] / SAMPLE_RATE:.3f} s"
        raise AudioFault(TRUNCATED, f"is {samples / SAMPLE_RATE:.3f} s long and has no stretch {asked}")
    channel.send_json(b"J", _describe(sound, samples))


class Channel:
    """The wire to the parent. What is said is held back a little, so that a short answer wakes the parent once."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._held: list[bytes] = []

    def receive(self) -> tuple[dict[str, Any], int] | None:
        """The next request and its open file; None when the parent is gone."""
        head, descriptors, _, _ = socket.recv_fds(self._wire, 4, 1)
        if not descriptors:
            return None
        head += self._exactly(4 - len(head))
        return json.loads(self._exactly(struct.unpack("<I", head)[0])), descriptors[0]

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._wire.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def send(self, kind: bytes, payload: bytes) -> None:
        self._held += [struct.pack("<cQ", kind, len(payload)), payload]
        if sum(map(len, self._held)) >= HELD_BACK:
            self.flush()

    def send_json(self, kind: bytes, payload: object) -> None:
        self.send(kind, json.dumps(payload).encode())

    def flush(self) -> None:
        self._wire.sendall(b"".join(self._held))
        self._held.clear()


def _answer(request: dict[str, Any], descriptor: int, channel: Channel) -> None:
    try:
        with open_sound(descriptor) as sound:
            if request["do"] == "probe":
                _probe(sound, channel)
            else:
                _read(sound, channel, request["stretches"])
    except AudioFault as fault:
        channel.send_json(b"E", {"id": fault.error_id, "reason": fault.reason})
    except MemoryError:
        reason = "needs more memory than the decoder may take"
        channel.send_json(b"E", {"id": audio_faults.CRASHED, "reason": reason})
    finally:
        os.close(descriptor)
    channel.flush()


def limit(memory_bytes: int) -> None:
    """Give up what decoding never needs: more memory than this, files to write, other processes, core dumps."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))


def main() -> None:
    """`decoder_child WIRE_DESCRIPTOR MEMORY_BYTES`: serve requests until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    limit(int(sys.argv[2]))
    channel.send(b"R", b"")
    channel.flush()
    with contextlib.suppress(EOFError, ConnectionError):
        while (received := channel.receive()) is not None:
            _answer(*received, channel)


if __name__ == "__main__":
    main()
