"""TensorBoard's event files, written by hand: scalars alone, so that no package of TensorBoard's is needed.

A file is a row of TFRecords, each an `Event` of protocol buffers (tensorflow/core/util/event.proto): `wall_time` 1,
`step` 2, `file_version` 3, `summary` 5, which holds values of `tag` 1 and `simple_value` 2.
"""

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training_jobs.trackers.sending import About, Point, State

FILE = "events.out.tfevents.1.earmark"
VERSION = b"brain.Event:2"
_POLYNOMIAL = 0x82F63B78
"""Castagnoli's, reflected (RFC 3720, appendix B.4)."""
_MASK = 0xA282EAD8


class TensorBoardTracker:
    """One file a training, in a folder of its own below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, about: "About", points: Sequence["Point"], state: "State") -> None:
        """Append figures to the training's file. Raises OSError."""
        path = self._folder / about.name / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            if file.tell() == 0:
                at = points[0].at if points else 0.0
                file.write(record(_double(1, at) + _bytes(3, VERSION)))
            for point in points:
                if point.figures:
                    file.write(record(event(point.step, point.at, point.figures)))

    def close(self, about: "About", state: "State", *, status: str) -> None:
        """Nothing is open."""


def event(step: int, at: float, figures: dict[str, float]) -> bytes:
    """An `Event` with a summary of scalars."""
    values = b"".join(
        _bytes(1, _bytes(1, name.encode()) + _float(2, value)) for name, value in figures.items()
    )
    return _double(1, at) + _varint_field(2, step) + _bytes(5, values)


def record(data: bytes) -> bytes:
    """A TFRecord: length, its checksum, the data, their checksum; all little-endian."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", _masked(length)) + data + struct.pack("<I", _masked(data))


def crc32c(data: bytes) -> int:
    """CRC-32C of `data`."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder = _TABLE[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder ^ 0xFFFFFFFF


def _masked(data: bytes) -> int:
    found = crc32c(data)
    return (((found >> 15) | (found << 17)) + _MASK) & 0xFFFFFFFF


def _row(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(_row(byte) for byte in range(256))


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _varint_field(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _float(field: int, number: float) -> bytes:
    most = 3.4028234663852886e38
    shown = number if -most <= number <= most or math.isnan(number) else math.copysign(math.inf, number)
    return _varint(field << 3 | 5) + struct.pack("<f", shown)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data
