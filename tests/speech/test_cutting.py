import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import FRAME, LONGEST, SHORTEST, LoudnessMeter, Stretch, cut, is_silent


def frames_of(samples: int) -> int:
    return -(-samples // FRAME)


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(1, 200 * SAMPLE_RATE),
    seed=st.integers(0, 2**32 - 1),
    flat=st.booleans(),
)
def test_stretches_cover_without_overlap_within_bounds(samples: int, seed: int, flat: bool) -> None:
    frames = frames_of(samples)
    loudness = np.full(frames, -120.0) if flat else np.random.default_rng(seed).uniform(-90, 0, frames)
    stretches = cut(loudness.astype(np.float32), samples)
    assert stretches[0].start == 0
    assert stretches[-1].end == samples
    assert all(one.end == other.start for one, other in itertools.pairwise(stretches))
    assert all(one.end - one.start <= LONGEST for one in stretches)
    if samples <= LONGEST:
        assert len(stretches) == 1
    else:
        assert all(one.end - one.start >= SHORTEST for one in stretches)


@pytest.mark.parametrize("beyond", [1, FRAME, SHORTEST - 1, SHORTEST, SHORTEST + 1])
def test_just_over_thirty_seconds_leaves_no_crumb(beyond: int) -> None:
    samples = LONGEST + beyond
    first, second = cut(np.linspace(-20, -60, frames_of(samples), dtype=np.float32), samples)
    assert second.end - second.start >= SHORTEST
    assert first.end - first.start <= LONGEST


def test_the_cut_is_in_the_middle_of_the_pause() -> None:
    loudness = np.full(4_000, -20.0, np.float32)
    loudness[1_200:1_300] = -65.0
    first, second = cut(loudness, 4_000 * FRAME)
    assert first.end == pytest.approx(1_250 * FRAME, abs=2 * FRAME)
    assert second == Stretch(first.end, 4_000 * FRAME)


def test_a_click_of_silence_is_no_pause() -> None:
    loudness = np.full(4_000, -20.0, np.float32)
    loudness[1_000] = -90.0
    loudness[2_000:2_060] = -45.0
    assert cut(loudness, 4_000 * FRAME)[0].end == pytest.approx(2_030 * FRAME, abs=15 * FRAME)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=12), st.integers(0, 99))
def test_loudness_does_not_depend_on_how_samples_arrive(sizes: list[int], seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, sum(sizes)).astype(np.float32)
    whole, pieces = LoudnessMeter(), LoudnessMeter()
    whole.add(samples)
    for piece in np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []:
        pieces.add(piece)
    assert np.allclose(whole.finish(), pieces.finish(), atol=1e-4)
    assert len(whole.finish()) >= len(samples) // FRAME


def test_loudness_of_a_full_scale_square_wave_is_zero_decibels() -> None:
    meter = LoudnessMeter()
    meter.add(np.tile([1.0, -1.0], FRAME // 2).astype(np.float32))
    assert meter.finish() == pytest.approx([0.0])


def test_a_constant_is_silent_and_a_whisper_is_not() -> None:
    constant, whisper = LoudnessMeter(), LoudnessMeter()
    constant.add(np.full(SAMPLE_RATE, 0.4, np.float32))
    whisper.add(0.001 * np.sin(np.arange(SAMPLE_RATE, dtype=np.float32)))
    assert is_silent(constant.finish())
    assert not is_silent(whisper.finish())
    assert is_silent(LoudnessMeter().finish())
