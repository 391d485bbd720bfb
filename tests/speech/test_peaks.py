import io
import json

import av
import numpy as np
import pytest

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.peaks import MOST_COLUMNS, envelope, envelope_json, grey_png, log_mel, spectrogram_png
from tests.speech.audio_files import tone


def test_the_envelope_is_the_least_and_greatest_of_each_point() -> None:
    samples = np.array([0.0, 0.5, -0.25, 1.0, 1.0, -1.0, 0.125], np.float32)
    assert envelope(samples, 3).tolist() == [[-32, 64], [-128, 127], [16, 16]]


@pytest.mark.parametrize(
    ("samples", "points", "each"), [(480_000, 2_000, 240), (16_001, 1_001, 16), (100, 7, 16)]
)
def test_the_envelope_says_how_it_is_spaced(samples: int, points: int, each: int) -> None:
    told = json.loads(envelope_json(np.zeros(samples, np.float32)))
    assert (told["length"], told["samples_per_pixel"], told["bits"]) == (points, each, 8)
    assert len(told["data"]) == 2 * points
    assert told["sample_rate"] == SAMPLE_RATE


@pytest.mark.parametrize("hertz", [300, 1_000, 3_000, 7_000])
def test_a_tone_is_one_line_where_the_mel_scale_has_it(hertz: float) -> None:
    cells = log_mel(tone(1.0, hertz=hertz))
    row = int(cells[:, 50].argmax())
    mel = 2595 * np.log10(1 + np.array([hertz, 8_000]) / 700)
    assert row == pytest.approx(97 * mel[0] / mel[1] - 1, abs=1.5)
    assert cells[row, 50] > 250
    assert np.median(cells[:, 50]) < 60


def test_columns_follow_time_and_are_bounded() -> None:
    quiet_then_loud = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), tone(1.0)])
    cells = log_mel(quiet_then_loud)
    assert cells.shape == (96, 200)
    assert cells[:, :95].max() == 0
    assert cells[:, 105:].max() > 250
    assert log_mel(np.zeros(30 * SAMPLE_RATE, np.float32)).shape[1] == MOST_COLUMNS
    assert log_mel(tone(0.1)).shape[1] == 10


def test_silence_is_dark() -> None:
    assert not log_mel(np.zeros(SAMPLE_RATE, np.float32)).any()


def test_every_band_hears_something() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    assert log_mel(noise).max(axis=1).min() > 100


def picture(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        return next(container.decode(video=0)).to_ndarray(format="gray")


def test_the_picture_is_what_was_drawn() -> None:
    cells = np.random.default_rng(2).integers(0, 256, (7, 13), dtype=np.uint8)
    assert np.array_equal(picture(grey_png(cells)), cells)
    assert np.array_equal(picture(spectrogram_png(tone(0.5))), log_mel(tone(0.5))[::-1])
