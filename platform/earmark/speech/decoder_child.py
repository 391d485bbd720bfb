"""The child process of `decoding.Decoder`: decodes what it is handed and knows nothing else.

It gets open files, never names; has no file to write, no secrets in its environment and a limit on its memory.

Wire, on one stream socket. A request is 4 bytes length (with the file's descriptor), then JSON: `{"do": "survey",
"wanted": {...}}`, or with stretches in samples at 16 kHz `{"do": "read", "stretches": [[from, to], ...] | null,
"channel": number | null}`. An answer is messages of 1 byte kind, 8 bytes length and payload:

    R  ready
    S  float32 samples
    P  JSON: how many seconds of the file are done
    J  JSON that ends an answer: what the file is
    E  JSON that ends an answer: what is wrong with the file
"""

import contextlib
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections import deque
from typing import Any

import numpy as np

from earmark.speech import audio_faults, voice_activity
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.audio_faults import TRUNCATED, UNSUPPORTED, AudioFault
from earmark.speech.sound_files import Sound, at_16_khz, one_voice, open_sound
from earmark.speech.surveyed import FIRST, MIX, Track, Wanted

HELD_BACK = 1 << 18
SAYS_EVERY_SECONDS = 30
MOST_VOICES = 8


def _describe(sound: Sound, samples: int) -> dict[str, Any]:
    return {
        "samples": samples,
        "rate": sound.rate,
        "channels": sound.channels,
        "format": sound.format,
    }


def _survey(sound: Sound, channel: "Channel", wanted: Wanted) -> None:
    from earmark.speech.survey import Surveyor  # brings the voice detector, which reading does without

    voices = _voices(sound, wanted)
    surveyors = [
        Surveyor(
            sound.rate,
            segmentation=wanted.segmentation,
            given=None if wanted.given is None else wanted.given[voice],
            keep_whole=wanted.keep_whole,
        )
        for voice in voices
    ]
    frames = said = 0
    for block in sound.blocks():
        for voice, surveyor in zip(voices, surveyors, strict=True):
            surveyor.add(one_voice(block, voice))
        frames += len(block)
        if frames - said >= SAYS_EVERY_SECONDS * sound.rate:
            said = frames
            channel.send_json(b"P", {"seconds": frames / sound.rate})
            channel.flush()
    found = [surveyor.finish() for surveyor in surveyors]
    tracks = [
        Track(voice, one.clips, one.speech_seconds, one.loudest_db)
        for voice, one in zip(voices, found, strict=True)
    ]
    told = _describe(sound, found[0].samples) | {"tracks": [track.to_json() for track in tracks]}
    channel.send_json(b"J", told)


def _voices(sound: Sound, wanted: Wanted) -> list[int | None]:
    """The channels to hear; None is all together. Raises AudioFault where the file lacks one, or has too many."""
    if wanted.given is not None:
        voices = list(wanted.given)
        if beyond := [voice for voice in voices if voice is not None and voice >= sound.channels]:
            raise AudioFault(UNSUPPORTED, f"has {sound.channels} channels and none numbered {beyond[0]}")
        return voices
    if sound.channels == 1 or wanted.channels == MIX:
        return [None]
    if wanted.channels == FIRST:
        return [0]
    if sound.channels > MOST_VOICES:
        reason = f"has {sound.channels} channels, and at most {MOST_VOICES} are split"
        raise AudioFault(UNSUPPORTED, reason)
    return list(range(sound.channels))


def _read(
    sound: Sound, channel: "Channel", stretches: list[list[int]] | None, voice: int | None, samples: int
) -> None:
    """Send the file from sample `samples` on as it comes, or each stretch (sorted by start, none before) in one piece.

    `voice` is one channel of it.
    """
    if voice is not None and voice >= sound.channels:
        raise AudioFault(UNSUPPORTED, f"has {sound.channels} channels and none numbered {voice}")
    waiting = deque(stretches or [])
    open_: deque[tuple[list[int], list[np.ndarray]]] = deque()
    for piece in at_16_khz(sound, voice, start=samples):
        start, samples = samples, samples + len(piece)
        if stretches is None:
            channel.send(b"S", piece.astype("<f4").tobytes())
            continue
        while waiting and waiting[0][0] < samples:
            open_.append((waiting.popleft(), []))
        for (first, end), held in open_:
            held.append(piece[max(0, first - start) : max(0, end - start)].copy())
        while open_ and open_[0][0][1] <= samples:
            channel.send(b"S", np.concatenate(open_.popleft()[1]).astype("<f4").tobytes())
        if not waiting and not open_:
            break
    lacking = [asked for asked, _ in open_] or list(waiting)
    if lacking:
        asked = f"{lacking[0][0] / SAMPLE_RATE:.3f} to {lacking[0][1] / SAMPLE_RATE:.3f} s"
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
        with contextlib.closing(open_sound(descriptor)) as sound:
            if request["do"] == "survey":
                _survey(sound, channel, Wanted.from_json(request["wanted"]))
            else:
                _read(sound, channel, request["stretches"], request["channel"], request["from"])
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
    """`decoder_child WIRE_DESCRIPTOR MEMORY_BYTES [survey]`: serve requests until the parent is gone.

    With `survey` the voice detector is loaded before the limits hold.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    if "survey" in sys.argv[3:]:
        voice_activity.load()
    limit(int(sys.argv[2]))
    channel.send(b"R", b"")
    channel.flush()
    with contextlib.suppress(EOFError, ConnectionError):
        while (received := channel.receive()) is not None:
            _answer(*received, channel)


if __name__ == "__main__":
    main()
