"""What is measured as sound streams by, kept in one piece of memory: many small ones would scatter the heap."""

import numpy as np
from numpy.typing import DTypeLike

_FIRST_ROOM = 1 << 12


class Series:
    """Rows of one type, and of one width where one is given, that come one after another."""

    def __init__(self, dtype: DTypeLike, width: int | None = None) -> None:
        self._rows = np.empty((_FIRST_ROOM,) if width is None else (_FIRST_ROOM, width), dtype)
        self._length = 0

    def add(self, rows: np.ndarray) -> None:
        """Take in [n] or [n, width]; they are converted to the series' type."""
        end = self._length + len(rows)
        if end > len(self._rows):
            grown = np.empty((max(end, 2 * len(self._rows)), *self._rows.shape[1:]), self._rows.dtype)
            grown[: self._length] = self._rows[: self._length]
            self._rows = grown
        self._rows[self._length : end] = rows
        self._length = end

    def all(self) -> np.ndarray:
        """What came so far; later rows may or may not change it."""
        return self._rows[: self._length]
