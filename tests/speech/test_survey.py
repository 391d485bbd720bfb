"""One pass over a recording."""

from dataclasses import astuple
from random import Random

import numpy as np
import pytest
import soxr

from benchmarks.made_speech import conversation
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import Stretch
from earmark.speech.segmentation import SegmentationSettings
from earmark.speech.survey import Surveyed, Surveyor
from earmark.speech.synthesis import Synthesiser


def surveyed(
    samples: np.ndarray, rate: int = SAMPLE_RATE, *, block: int = 1 << 17, **asked: object
) -> Surveyed:
    surveyor = Surveyor(rate, segmentation=SegmentationSettings(), **asked)  # type: ignore[arg-type]
    for first in range(0, len(samples), block):
        surveyor.add(samples[first : first + block])
    return surveyor.finish()


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """float32 [n]: three quarters of a minute of people taking turns, in a little noise."""
    samples = conversation(Synthesiser(), 45, Random(1), pauses=(0.3, 3.0)).samples
    return (samples + 0.001 * np.random.default_rng(1).standard_normal(len(samples))).astype(np.float32)


def test_a_recording_gives_clips_with_figures_and_hashes(talk: np.ndarray) -> None:
    found = surveyed(talk)
    assert found.samples == len(talk)
    assert len(found.clips) > 4
    assert 20 < found.speech_seconds < 45
    assert -30 < found.loudest_db < 0
    assert found.speech_seconds == pytest.approx(sum(clip.quality.speech_seconds for clip in found.clips))
    for clip in found.clips:
        assert clip.stretch.seconds >= 1
        assert clip.quality.silence_share < 0.7
        assert clip.quality.snr_db is not None
        assert clip.quality.snr_db > 15
        assert clip.quality.clipped_share == 0
        assert clip.quality.bandwidth_hz > 5_500
        assert -40 < clip.quality.loudness_lufs < -10
        assert all(type(figure) is float for figure in astuple(clip.quality))
    assert sum(len(clip.hashes) > 10 for clip in found.clips) > len(found.clips) / 2


@pytest.mark.parametrize("block", [997, 40_000])
def test_it_does_not_matter_how_the_samples_come(talk: np.ndarray, block: int) -> None:
    once, again = surveyed(talk), surveyed(talk, block=block)
    assert [clip.stretch for clip in once.clips] == [clip.stretch for clip in again.clips]
    assert [clip.hashes for clip in once.clips] == [clip.hashes for clip in again.clips]
    for ours, theirs in zip(once.clips, again.clips, strict=True):
        assert astuple(ours.quality) == pytest.approx(astuple(theirs.quality), rel=1e-3, abs=1e-3)


def test_another_rate_gives_the_same_clips(talk: np.ndarray) -> None:
    once = surveyed(talk)
    again = surveyed(soxr.resample(talk, SAMPLE_RATE, 44_100), 44_100)
    assert again.samples == pytest.approx(once.samples, abs=2)
    assert len(again.clips) == len(once.clips)
    for ours, theirs in zip(once.clips, again.clips, strict=True):
        assert ours.stretch.start == pytest.approx(theirs.stretch.start, abs=1_000)
        assert ours.stretch.end == pytest.approx(theirs.stretch.end, abs=1_000)


def test_given_stretches_are_kept_one_for_one_and_cut_off_at_the_end(talk: np.ndarray) -> None:
    given = [Stretch(0, 48_000), Stretch(16_000, 80_000), Stretch(len(talk) - 16_000, len(talk) + 9)]
    found = surveyed(talk, given=[*given, Stretch(len(talk) + 5, len(talk) + 10)])
    stretches = [clip.stretch for clip in found.clips]
    assert stretches[:2] == given[:2]
    assert stretches[2] == Stretch(len(talk) - 16_000, len(talk))
    assert stretches[3] == Stretch(len(talk), len(talk))
    assert found.clips[3].hashes == ()
    assert found.clips[3].quality.silence_share == 1


def test_a_short_recording_with_a_text_stays_whole(talk: np.ndarray) -> None:
    short = np.concatenate([talk[:64_000], np.zeros(64_000, np.float32), talk[64_000:160_000]])
    assert len(surveyed(short).clips) > 1
    (clip,) = surveyed(short, keep_whole=True).clips
    assert clip.stretch == Stretch(0, len(short))


@pytest.mark.parametrize("rate", [8_000, SAMPLE_RATE, 44_100])
@pytest.mark.parametrize("samples", [0, 1, 100, 700, 20_000])
def test_next_to_nothing_is_survived(rate: int, samples: int) -> None:
    found = surveyed(np.full(samples, 0.1, np.float32), rate)
    assert found.speech_seconds == 0
    assert len(found.clips) == (1 if found.samples else 0)
