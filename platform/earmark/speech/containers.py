"""Whether a file holds all that its container promises: decoders take what is there and say nothing."""

import struct
from typing import BinaryIO

_OGG_PAGE_BYTES = 65_307
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)


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
