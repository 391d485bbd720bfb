"""Whether a file holds all that its container promises: decoders take what is there and say nothing."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

_OGG_PAGE_BYTES = 65_307
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)

ENTERED = frozenset({"WAV", "WAVEX", "RF64"})
PLAIN = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")


def can_be_entered(format: str) -> bool:
    """Whether decoding may begin at any sample of a file of this format (`WAV PCM_16` ...) and gives the same there."""
    container, _space, encoding = format.partition(" ")
    return container == "FLAC" or (container in ENTERED and encoding.startswith(PLAIN))


def wav_missing_bytes(file: BinaryIO) -> int:
    """Bytes that the data chunk of a RIFF or RF64 file promises beyond the file's end.

    A size of 0 or 2^32 - 1 is what a recorder writes that does not know yet, and promises nothing.
    """
    end = file.seek(0, 2)
    file.seek(0)
    kind = file.read(12)[:4]
    order, long_size = (">" if kind == b"RIFX" else "<"), None
    at = 12
    while at + 8 <= end:
        file.seek(at)
        name, size = struct.unpack(f"{order}4sI", file.read(8))
        if name == b"ds64":
            long_size = struct.unpack("<8xQ", file.read(16))[0]
        if name == b"data":
            if kind == b"RF64" and long_size is not None:
                size = long_size
            elif size in _UNKNOWN_SIZES:
                return 0
            return int(max(0, at + 8 + size - end))
        at += 8 + size + (size & 1)
    return 0


def ogg_is_whole(file: BinaryIO) -> bool:
    """Whether the last page is all there and marked as the last (RFC 3533, section 6: every stream ends with one)."""
    end = file.seek(0, 2)
    start = max(0, end - _OGG_PAGE_BYTES)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"OggS\x00")
    if at < 0 or at + 27 > len(tail):
        return False
    flags, segments = tail[at + 5], tail[at + 26]
    table = tail[at + 27 : at + 27 + segments]
    is_complete = len(table) == segments and at + 27 + segments + sum(table) <= len(tail)
    return is_complete and bool(flags & 4)


def iff_missing_bytes(file: BinaryIO) -> int:
    """Bytes that the sound chunk (SSND) of an AIFF or AIFF-C file promises beyond the file's end."""
    end = file.seek(0, 2)
    at = 12
    while at + 8 <= end:
        file.seek(at)
        name, size = struct.unpack(">4sI", file.read(8))
        if name == b"SSND":
            return int(max(0, at + 8 + size - end))
        at += 8 + size + (size & 1)
    return 0


def au_missing_bytes(file: BinaryIO) -> int:
    """Bytes that the header of an AU file promises beyond the file's end; a size of 2^32 - 1 promises nothing."""
    end = file.seek(0, 2)
    file.seek(0)
    kind, start, size = struct.unpack(">4sII", file.read(12).ljust(12, b"\0"))
    if kind != b".snd":
        start, size = struct.unpack("<II", struct.pack(">II", start, size))
    return 0 if size == _UNKNOWN_SIZES[1] else int(max(0, start + size - end))


def caf_missing_bytes(file: BinaryIO) -> int:
    """Bytes that the data chunk of a Core Audio file promises beyond the file's end; a size of -1 promises nothing.

    Nothing is missing from what is no such file.
    """
    end = file.seek(0, 2)
    file.seek(0)
    if file.read(4) != b"caff":
        return 0
    at = 8
    while at + 12 <= end:
        file.seek(at)
        name, size = struct.unpack(">4sq", file.read(12))
        if name == b"data" or size < 0:
            return int(max(0, at + 12 + size - end)) if size >= 0 else 0
        at += 12 + size
    return 0


def sphere_missing_bytes(file: BinaryIO) -> int:
    """Bytes that the header of a NIST SPHERE file promises beyond the file's end."""
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(1024).decode("latin-1").split("\n")
    told = {words[0]: words[2] for line in head if len(words := line.split(maxsplit=2)) == 3}
    try:
        start = int(head[1])
        size = int(told["sample_count"]) * int(told["sample_n_bytes"]) * int(told.get("channel_count", "1"))
    except (KeyError, ValueError, IndexError):
        return 0
    return max(0, start + size - end)


_BOXES = frozenset(
    b"ftyp styp moov mdat free skip wide uuid moof mfra sidx ssix meta pdin emsg prft udta pnot".split()
)


def mp4_missing_bytes(file: BinaryIO) -> int:
    """Bytes that a top-level box of an ISO base media file (14496-12, section 4.2) promises beyond the file's end.

    Samples without a box that describes them count as one byte: what was to follow is not there. What is no such
    box ends the file: others append what they like.
    """
    end = file.seek(0, 2)
    names = set()
    for name, at, size in _mp4_boxes(file, end):
        if name not in _BOXES:
            break
        names.add(name)
        if at + size > end:
            return at + size - end
    return int(b"mdat" in names and b"moov" not in names)


def _mp4_boxes(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, offset, size) of each top-level box; a size of 0 is all the rest."""
    at = 0
    while at + 8 <= end:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        if size == 1:
            longer = file.read(8)
            size = struct.unpack(">Q", longer)[0] if len(longer) == 8 else 16
        elif size == 0:
            size = end - at
        yield name, at, max(size, 8)
        at += max(size, 8)


_ASF_OBJECTS = frozenset(
    bytes.fromhex(name)
    for name in (
        "3026b2758e66cf11a6d900aa0062ce6c",  # header
        "3626b2758e66cf11a6d900aa0062ce6c",  # data
        "90080033b1e5cf1189f400a0c90349cb",  # simple index
        "d329e2d6da35d111903400a0c90349be",  # index
    )
)


def asf_missing_bytes(file: BinaryIO) -> int:
    """Bytes that a top-level object of an ASF file (ASF specification, section 2.1) promises beyond the file's end.

    What is no header, data or index ends the file: others append what they like.
    """
    end = file.seek(0, 2)
    at = 0
    while at + 24 <= end:
        file.seek(at)
        name, size = struct.unpack("<16sQ", file.read(24))
        if name not in _ASF_OBJECTS:
            return 0
        size = max(24, size)
        if at + size > end:
            return int(at + size - end)
        at += size
    return 0


_EBML, _SEGMENT, _CLUSTER, _VOID = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xEC


def matroska_missing_bytes(file: BinaryIO) -> int:
    """Bytes that an element of a Matroska or WebM file (RFC 8794, 9559) promises beyond the file's end.

    Segments and clusters of unknown size, as browsers record them, are looked into element by element. What follows
    a segment of known size and is no element of the top ends the file: others append what they like.
    """
    end = file.seek(0, 2)
    at, is_top = 0, True
    while at < end:
        file.seek(at)
        head = file.read(12)
        if len(head) < 2:
            return 1
        id_length, size_length = _vint_length(head[0]), 0
        if 0 < id_length < len(head):
            size_length = _vint_length(head[id_length])
        if not id_length or not size_length:
            return 0
        if id_length + size_length > len(head):
            return id_length + size_length - len(head)
        name = int.from_bytes(head[:id_length], "big")
        size = int.from_bytes(head[id_length : id_length + size_length], "big") & ((1 << 7 * size_length) - 1)
        if is_top and name not in (_EBML, _SEGMENT, _VOID):
            return 0
        at += id_length + size_length
        if size == (1 << 7 * size_length) - 1:
            if name not in (_SEGMENT, _CLUSTER):
                return 0
            is_top = False
            continue
        if at + size > end:
            return at + size - end
        at += size
    return 0


def _vint_length(first: int) -> int:
    """Bytes of the variable-length number that begins with this byte; 0 for none."""
    return 9 - first.bit_length() if first else 0


_AMR = {b"#!AMR\n": (12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0)}
_AMR[b"#!AMR-WB\n"] = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)


def amr_missing_bytes(file: BinaryIO) -> int:
    """Bytes that the last frame of an AMR file (RFC 4867, section 5) lacks."""
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(9)
    magic = next((one for one in _AMR if head.startswith(one)), b"")
    if not magic:
        return 0
    at = len(magic)
    file.seek(at)
    while at < end:
        size = _AMR[magic][(file.read(1)[0] >> 3) & 15]
        at += 1 + size
        file.seek(size, 1)
    return max(0, at - end)


def adts_missing_bytes(file: BinaryIO) -> int:
    """Bytes that the last frame of an ADTS stream (ISO 13818-7, section 6.2) lacks; what follows frames is let be."""
    end = file.seek(0, 2)
    at = 0
    file.seek(0)
    while at + 7 <= end:
        head = file.read(7)
        if head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
            return 0
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if size < 7:
            return 0
        at += size
        file.seek(size - 7, 1)
    return at - end if at > end else end - at if 0 < end - at < 7 and _is_sync(file, at) else 0


def _is_sync(file: BinaryIO, at: int) -> bool:
    file.seek(at)
    return file.read(1) == b"\xff"
