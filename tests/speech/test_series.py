"""Rows that come one after another."""

import numpy as np
import pytest

from earmark.speech.series import Series


@pytest.mark.parametrize("width", [None, 3])
def test_rows_come_back_in_order_however_many_there_are(width: int | None) -> None:
    series, shape = Series(np.uint16, width), () if width is None else (width,)
    expected = np.arange(20_000 * (width or 1)).reshape(-1, *shape) % 65_536
    for first in range(0, len(expected), 777):
        series.add(expected[first : first + 777])
    assert series.all().dtype == np.uint16
    assert np.array_equal(series.all(), expected)


def test_a_series_begins_empty() -> None:
    assert Series(np.uint8, 32).all().shape == (0, 32)
