"""How badly a text fits at its worst, and sounds without speech."""

from random import Random

import numpy as np
import pytest

from earmark.speech.misfit import misfit
from earmark.speech.unspoken import KINDS, unspoken, with_noise


def test_a_text_that_fits_everywhere_has_no_misfit() -> None:
    assert misfit(np.zeros(40), [0.0, 0.0], [0.0, 0.0], [10, 30]) == (0.0, 5)
    assert misfit(np.zeros(0), [], [], []) == (0.0, 0)


def test_the_worst_stretch_is_told() -> None:
    gaps = np.zeros(60)
    gaps[38:48] = 6.0
    value, place = misfit(gaps, [0.1, 0.1], [0.0, 3.0], [15, 43])
    assert value > 2
    assert place == pytest.approx(43, abs=1)


def test_a_word_without_time_is_told() -> None:
    value, place = misfit(np.zeros(60), [0.1, 15.0, 0.1], [0.0, 0.5, 0.0], [10, 22, 40])
    assert value > 2
    assert place == 22


@pytest.mark.parametrize("kind", KINDS)
def test_sounds_without_speech_are_made_from_a_seed(kind: str) -> None:
    first, again = (unspoken(1.5, kind, Random(4)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.float32
    assert first.shape == (24_000,)
    assert 0 < np.abs(first).max() <= 1.0


def test_noise_lies_so_far_under_the_loud_half() -> None:
    tone = np.sin(np.arange(16_000) / 5).astype(np.float32)
    added = with_noise(tone, 12.0, Random(1)) - tone
    assert 10 * np.log10(np.mean(tone**2) / np.mean(added**2)) == pytest.approx(12.0, abs=0.3)
