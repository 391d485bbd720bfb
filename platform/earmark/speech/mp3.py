"""How many frames an MP3 holds and how many it promises.

libsndfile believes the header of an MP3 about its length, and guesses where there is none: a truncated file decodes
without a word of complaint, and one of variable bit rate without a header loses whatever lies past the guess. So the
frames are counted here (MPEG-1/2/2.5 layer III, ISO 11172-3 section 2.4.2.3 and ISO 13818-3).
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_RESYNC_BYTES = 65_536


@dataclass(frozen=True)
class Mp3Layout:
    """Where the audio frames are: `first` is the offset of the first one, the information frame left out.

    `frames` counts the whole ones; `promised` is what the information frame says (None without one, or where it is
    silent) and `missing_bytes` what the file is short of its size in there; `partial` says that the last frame goes
    on past the end; `header` is the first frame's.
    """

    first: int
    frames: int
    promised: int | None
    missing_bytes: int
    partial: bool
    header: bytes
    has_information: bool

    @property
    def is_truncated(self) -> bool:
        """Less is there than promised. One frame of grace: some encoders count the information frame itself."""
        short = self.promised is not None and self.frames < self.promised - 1
        return self.partial or short or self.missing_bytes > 0

    @property
    def is_told_wrong(self) -> bool:
        """A decoder that trusts the header would drop audio: there is no header, or there is more than it says."""
        return not self.has_information or self.promised is None or self.frames > self.promised + 1


def frame_length(header: bytes) -> int:
    """Bytes of the layer III frame that `header` (4 bytes) opens; 0 if it opens none (or is of free format)."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = (header[1] >> 3) & 3, header[2] >> 4, (header[2] >> 2) & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    kbps = (_KBPS_1 if version == 3 else _KBPS_2)[bitrate]
    per_frame = 144_000 if version == 3 else 72_000
    return per_frame * kbps // _RATES[version][rate] + ((header[2] >> 1) & 1)


def layout(file: BinaryIO) -> Mp3Layout | None:
    """Count the frames of `file` from its start; None when no layer III frame is found near it."""
    end = _audio_end(file)
    start = _next_frame(file, _id3v2_length(file), end)
    if start is None:
        return None
    file.seek(start)
    header = file.read(4)
    file.seek(start)
    information = _information(file.read(frame_length(header)), header)
    first = start + frame_length(header) if information else start
    frames, partial = _count(file, first, end)
    promised, promised_bytes = information or (None, None)
    missing = max(0, (promised_bytes or 0) - (end - start))
    return Mp3Layout(first, frames, promised, missing, partial, header, information is not None)


def information_frame(found: Mp3Layout) -> bytes:
    """A frame that tells a decoder how many frames follow, to stand before the audio frames of `found`."""
    header = bytearray(found.header)
    header[1] |= 1
    for bitrate in range(1, 15):
        header[2] = (bitrate << 4) | (header[2] & 0x0C)
        if frame_length(bytes(header)) >= 4 + 32 + 12:
            break
    frame = bytearray(frame_length(bytes(header)))
    frame[:4] = header
    at = 4 + _side_information(header)
    frame[at : at + 12] = b"Xing" + struct.pack(">II", 1, found.frames)
    return bytes(frame)


def _side_information(header: bytes | bytearray) -> int:
    is_mono = header[3] >> 6 == 3
    if (header[1] >> 3) & 3 == 3:
        return 17 if is_mono else 32
    return 9 if is_mono else 17


def _information(frame: bytes, header: bytes) -> tuple[int | None, int | None] | None:
    """(frames, bytes) that a Xing, Info or VBRI frame promises; None if `frame` is an ordinary one."""
    at = 4 + _side_information(header)
    if frame[at : at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(frame[at + 4 : at + 8], "big")
        fields = [int.from_bytes(frame[at + 8 + 4 * i : at + 12 + 4 * i], "big") for i in range(2)]
        frames = fields.pop(0) if flags & 1 else None
        return frames, fields.pop(0) if flags & 2 else None
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big"), int.from_bytes(frame[46:50], "big")
    return None


def _id3v2_length(file: BinaryIO) -> int:
    file.seek(0)
    head = file.read(10)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _audio_end(file: BinaryIO) -> int:
    size = file.seek(0, 2)
    if size >= 128:
        file.seek(size - 128)
        if file.read(3) == b"TAG":
            return size - 128
    return size


def _next_frame(file: BinaryIO, start: int, end: int) -> int | None:
    """Offset of the first frame at or after `start` that another one (or the end) follows."""
    file.seek(start)
    window = file.read(min(_RESYNC_BYTES, max(0, end - start)))
    at = window.find(b"\xff")
    while at >= 0:
        length = frame_length(window[at : at + 4])
        if length:
            follows = start + at + length
            file.seek(follows)
            if follows == end or frame_length(file.read(4)):
                return start + at
        at = window.find(b"\xff", at + 1)
    return None


def _count(file: BinaryIO, first: int, end: int) -> tuple[int, bool]:
    """Whole frames from `first` to `end`, and whether a last one is cut off."""
    lengths: dict[bytes, int] = {}
    frames, at = 0, first
    file.seek(at)
    while at + 4 <= end:
        header = file.read(4)
        key = header[:3]
        length = lengths.get(key)
        if length is None:
            length = lengths[key] = frame_length(header)
        if not length:
            again = _next_frame(file, at + 1, end)
            if again is None:
                return frames, False
            at = again
            file.seek(at)
            continue
        if at + length > end:
            return frames, True
        at += length
        frames += 1
        file.seek(length - 4, 1)
    return frames, False
