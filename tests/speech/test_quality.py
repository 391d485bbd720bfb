"""The figures of a clip, against sounds whose truth is known."""

import io
from functools import cache
from random import Random

import numpy as np
import pyloudnorm
import pytest
import scipy.signal
import soundfile
import soxr

from benchmarks.made_speech import say
from benchmarks.spoiling import by_telephone, clipped, in_bits, through_codec
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.clipping import ClippingMeter
from earmark.speech.cutting import Stretch
from earmark.speech.demo_voices import dialect, training_speaker
from earmark.speech.quality import Quality
from earmark.speech.segmentation import SegmentationSettings
from earmark.speech.survey import Surveyor
from earmark.speech.synthesis import Synthesiser

TEXT = "the second half of the report is shorter than the first, sixty six"


def quality(samples: np.ndarray, rate: int = SAMPLE_RATE, clip: Stretch | None = None) -> Quality:
    surveyor = Surveyor(
        rate, segmentation=SegmentationSettings(), given=[clip] if clip else None, keep_whole=True
    )
    surveyor.add(samples.astype(np.float32))
    (found,) = surveyor.finish().clips
    return found.quality


@cache
def spoken(seed: int = 1, *, around: int = 8_000) -> np.ndarray:
    speaker = training_speaker(dialect("american"), Random(seed))
    return np.pad(say(Synthesiser(), speaker, TEXT).samples, around)


def white(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


@pytest.mark.parametrize("snr", [0, 10, 20, 30])
@pytest.mark.parametrize("around", [8_000, 0])
def test_noise_is_told_from_speech_with_pauses_and_without(snr: float, around: int) -> None:
    clean = spoken(around=around)
    inside = clean[around : len(clean) - around]
    noise = white(len(clean)) * np.sqrt(np.mean(inside**2) / 10 ** (snr / 10))
    found = quality(clean + noise)
    assert found.snr_db == pytest.approx(snr, abs=3 if around else 6)


def test_noise_beside_a_clip_is_heard_for_it() -> None:
    clean = spoken(around=16_000)
    noise = white(len(clean)) * np.sqrt(np.mean(clean[16_000:-16_000] ** 2) / 100)
    found = quality(clean + noise, clip=Stretch(16_000, len(clean) - 16_000))
    assert found.snr_db == pytest.approx(20, abs=1.5)


def test_without_speech_there_is_no_ratio() -> None:
    found = quality(0.01 * white(32_000))
    assert found.snr_db is None
    assert (found.speech_seconds, found.silence_share) == (0.0, 1.0)


def test_speech_and_silence_make_up_the_clip() -> None:
    found = quality(spoken(around=32_000) + 0.0003 * white(len(spoken(around=32_000))))
    length = len(spoken(around=0)) / SAMPLE_RATE
    assert found.speech_seconds == pytest.approx(length, rel=0.1)
    assert found.silence_share == pytest.approx(1 - found.speech_seconds / (length + 4), abs=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_a_telephone_is_heard_whatever_brought_it_to_16_khz(seed: int) -> None:
    wide = spoken(seed) + 0.0005 * white(len(spoken(seed)))
    assert quality(in_bits(wide)).bandwidth_hz > 6_000
    narrow = by_telephone(wide, Random(seed))
    assert 3_000 < quality(narrow).bandwidth_hz <= 5_000
    assert quality(soxr.resample(narrow, SAMPLE_RATE, 48_000), 48_000).bandwidth_hz <= 5_000


def test_noise_is_as_wide_as_it_is() -> None:
    sections = scipy.signal.butter(12, 3_000 / 8_000, output="sos")
    assert quality(scipy.signal.sosfilt(sections, 0.1 * white(48_000))).bandwidth_hz == pytest.approx(
        3_750, abs=500
    )
    assert quality(0.1 * white(48_000)).bandwidth_hz == 8_000
    assert quality(np.zeros(48_000)).bandwidth_hz == 0


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("share", [0.01, 0.05])
def test_flat_tops_are_counted_in_the_files_own_samples(rate: int, share: float) -> None:
    wide = soxr.resample(spoken(), SAMPLE_RATE, rate)
    assert quality(in_bits(wide), rate).clipped_share == 0
    found = quality(clipped(wide, share, Random(1)), rate).clipped_share
    assert found == pytest.approx(share, rel=0.5 if rate < SAMPLE_RATE else 0.3)


@pytest.mark.parametrize("encoding", ["ULAW", "ALAW", "PCM_U8"])
def test_coarse_steps_are_not_taken_for_clipping(encoding: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, soxr.resample(spoken(), SAMPLE_RATE, 8_000), 8_000, encoding, format="WAV")
    file.seek(0)
    assert quality(soundfile.read(file, dtype="float32")[0], 8_000).clipped_share < 0.001


def test_neither_a_constant_nor_silence_is_clipped() -> None:
    assert quality(np.full(32_000, 0.5)).clipped_share == 0
    assert quality(np.zeros(32_000)).clipped_share == 0
    assert quality(through_codec(spoken(), "mp3")).clipped_share == 0


def test_what_is_over_full_scale_is_clipped() -> None:
    loud = spoken() / np.abs(spoken()).max() * 3
    assert quality(loud).clipped_share == pytest.approx(np.mean(np.abs(loud) > 1), rel=0.3)


def test_clipping_belongs_to_its_clip() -> None:
    clean = in_bits(spoken())
    both = np.concatenate([clean, clipped(clean, 0.05, Random(1))])
    assert quality(both, clip=Stretch(0, len(clean))).clipped_share == 0
    assert quality(both, clip=Stretch(len(clean), len(both))).clipped_share > 0.03


@pytest.mark.parametrize("block", [100, 4_321])
def test_clipping_does_not_hang_on_how_the_samples_come(block: int) -> None:
    samples = clipped(spoken(), 0.02, Random(3))
    shares = []
    for size in (block, len(samples)):
        meter = ClippingMeter(SAMPLE_RATE)
        for first in range(0, len(samples), size):
            meter.add(samples[first : first + size])
        shares.append(meter.finish().share(0, len(samples) / SAMPLE_RATE))
    assert shares[0] == shares[1] > 0.01


@pytest.mark.parametrize("gain_db", [-40, -20, -6])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_loudness_is_what_a_filter_in_time_measures(gain_db: float, seed: int) -> None:
    samples = np.concatenate([spoken(seed, around=0), np.zeros(24_000), spoken(seed + 1, around=0)])
    samples = samples / np.abs(samples).max() * 10 ** (gain_db / 20)
    expected = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(samples)
    assert quality(samples).loudness_lufs == pytest.approx(expected, abs=0.3)


def test_loudness_of_the_reference_tone_and_of_silence() -> None:
    """A sine of 997 Hz at full scale is -3.01 LUFS in BS.1770."""
    tone = np.sin(2 * np.pi * 997 * np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE)
    assert quality(tone).loudness_lufs == pytest.approx(-3.01, abs=0.1)
    assert quality(np.zeros(48_000)).loudness_lufs == -70
    assert quality(tone[:1_600]).loudness_lufs == pytest.approx(-3.01, abs=0.5)


def test_a_constant_part_changes_no_figure() -> None:
    clean = 0.2 * spoken() + 0.001 * white(len(spoken()))
    plain, shifted = quality(clean), quality(clean + 0.1)
    assert shifted.loudness_lufs == pytest.approx(plain.loudness_lufs, abs=0.3)
    assert shifted.snr_db == pytest.approx(plain.snr_db, abs=1.5)
    assert shifted.bandwidth_hz == plain.bandwidth_hz
