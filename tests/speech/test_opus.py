import io

import numpy as np
import pytest
import soundfile

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.opus import write_opus
from tests.speech.audio_files import tone


@pytest.mark.parametrize("samples", [1_600, 17_234, 5 * SAMPLE_RATE])
def test_it_is_as_long_as_it_was_and_sounds_the_same(samples: int) -> None:
    wave = tone(10.0)[:samples]
    heard, rate = soundfile.read(io.BytesIO(write_opus(wave)), dtype="float32")
    assert (rate, len(heard)) == (SAMPLE_RATE, samples)
    middle = slice(samples // 4, samples // 2)
    assert heard[middle].std() == pytest.approx(wave[middle].std(), rel=0.1)


def test_the_same_samples_give_the_same_bytes_and_few() -> None:
    wave = tone(3.0) + np.random.default_rng(1).normal(0, 0.01, 3 * SAMPLE_RATE).astype(np.float32)
    assert write_opus(wave) == write_opus(wave)
    assert len(write_opus(wave)) < 3 * 6_000
