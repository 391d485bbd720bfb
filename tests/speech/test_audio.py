import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from earmark.speech.audio import SAMPLE_RATE, Decoded, read_flac, write_flac


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=2_000))
def test_sixteen_bit_samples_come_back_unchanged(values: list[int]) -> None:
    samples = np.array(values, np.float32) / 32_768
    assert np.array_equal(read_flac(write_flac(samples)), samples)


def test_what_is_too_loud_is_clipped_not_wrapped() -> None:
    back = read_flac(write_flac(np.array([1.5, 1.0, -1.0, -7.0], np.float32)))
    assert back == pytest.approx([32_767 / 32_768, 32_767 / 32_768, -1.0, -1.0])


def test_the_same_samples_give_the_same_bytes() -> None:
    samples = np.random.default_rng(3).uniform(-1, 1, SAMPLE_RATE).astype(np.float32)
    assert write_flac(samples) == write_flac(samples.copy())


def test_reading_refuses_another_rate(tmp_path) -> None:
    soundfile.write(tmp_path / "other.flac", np.zeros(100), 8_000)
    with pytest.raises(ValueError, match="8000 Hz"):
        read_flac((tmp_path / "other.flac").read_bytes())


def test_duration_is_that_of_the_samples() -> None:
    assert Decoded(np.zeros(8_000, np.float32), rate=44_100, channels=2, format="WAV PCM_16").duration == 0.5
