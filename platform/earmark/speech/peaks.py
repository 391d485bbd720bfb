"""What a clip looks like: the envelope of its waveform, and its spectrogram, small enough to send with a page."""

import json
import math
import struct
import zlib
from functools import cache

import numpy as np

from earmark.speech.audio import SAMPLE_RATE

MOST_POINTS = 2_000
FEWEST_SAMPLES_PER_POINT = 16
MEL_BANDS = 96
MOST_COLUMNS = 1_500
RANGE_DB = 70.0

_WINDOW = 512
_SHORTEST_HOP = SAMPLE_RATE // 100


def envelope(samples: np.ndarray, samples_per_point: int) -> np.ndarray:
    """The least and the greatest of each `samples_per_point` of `samples` (float [n] in [-1, 1]).

    int8 [ceil(n / samples_per_point), 2]; full scale is -128 to 127.
    """
    points = math.ceil(len(samples) / samples_per_point)
    padded = np.pad(
        samples, (0, points * samples_per_point - len(samples)), mode="edge" if points else "empty"
    )
    rows = padded.reshape(points, samples_per_point)
    ends = np.stack([rows.min(axis=1, initial=1.0), rows.max(axis=1, initial=-1.0)], axis=1)
    return np.clip(np.rint(ends * 128), -128, 127).astype(np.int8)


def envelope_json(samples: np.ndarray) -> bytes:
    """`envelope` of at most 2,000 points as the JSON of BBC audiowaveform, version 2, which waveform players read."""
    per_point = max(FEWEST_SAMPLES_PER_POINT, math.ceil(len(samples) / MOST_POINTS))
    ends = envelope(samples, per_point)
    described = {
        "version": 2,
        "channels": 1,
        "sample_rate": SAMPLE_RATE,
        "samples_per_pixel": per_point,
        "bits": 8,
        "length": len(ends),
        "data": ends.ravel().tolist(),
    }
    return json.dumps(described, separators=(",", ":")).encode()


def log_mel(samples: np.ndarray, *, bands: int = MEL_BANDS, range_db: float = RANGE_DB) -> np.ndarray:
    """Loudness over time and frequency of `samples` (float [n], 16 kHz): uint8 [bands, columns], 0 Hz first.

    255 is the loudest cell, 0 is `range_db` below it or less; of silence all is 0. A column is 10 ms, and longer where
    there would be more than MOST_COLUMNS. Hann windows of 32 ms, triangular mel filters from 0 to 8 kHz.
    """
    hop = _SHORTEST_HOP * max(1, math.ceil(len(samples) / (_SHORTEST_HOP * MOST_COLUMNS)))
    columns = max(1, math.ceil(len(samples) / hop))
    padded = np.pad(samples.astype(np.float32), (_WINDOW // 2, columns * hop + _WINDOW - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: columns * hop : hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), axis=1)) ** 2
    cells = _mel_filters(bands) @ power.T
    loudest = float(cells.max(initial=0.0))
    if loudest <= 1e-10:
        return np.zeros((bands, columns), np.uint8)
    decibels = 10 * np.log10(np.maximum(cells / loudest, 1e-12))
    return np.clip(np.rint(255 * (1 + decibels / range_db)), 0, 255).astype(np.uint8)


@cache
def _mel_filters(bands: int) -> np.ndarray:
    """float32 [bands, bins]: triangles, evenly spaced on the mel scale 2595 log10(1 + f / 700), each of weight 1."""
    highest = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    width = SAMPLE_RATE / _WINDOW
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - low) / np.maximum(middle - low, width)
    falling = (high - bins) / np.maximum(high - middle, width)
    filters = np.maximum(0, np.minimum(rising, falling))
    nearest = np.abs(bins - middle).argmin(axis=1)
    empty = filters.sum(axis=1) == 0
    filters[empty, nearest[empty]] = 1
    return np.asarray(filters / filters.sum(axis=1, keepdims=True), np.float32)


def spectrogram_png(samples: np.ndarray) -> bytes:
    """`log_mel` of `samples` as a grey PNG with high frequencies at the top."""
    return grey_png(log_mel(samples)[::-1])


def grey_png(cells: np.ndarray) -> bytes:
    """An 8-bit grey PNG of `cells` (uint8 [rows, columns]), top row first (W3C PNG, sections 5 and 11)."""
    rows, columns = cells.shape
    lines = np.zeros((rows, columns + 1), np.uint8)
    lines[:, 0] = 2
    lines[:, 1:] = np.diff(cells, axis=0, prepend=np.zeros((1, columns), np.uint8))
    head = struct.pack(">2I5B", columns, rows, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
