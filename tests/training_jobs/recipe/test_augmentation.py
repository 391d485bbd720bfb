from dataclasses import replace

import numpy as np
import pytest
import torch

from training_jobs.recipe.augmentation import add_noise, change_speed, disturb, mask_features, reverberate
from training_jobs.recipe.recipes import Augmentation

RATE = 16_000
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
OFF = Augmentation(speed=0, noise_chance=0, reverb_chance=0, frequency_masks=0, time_masks=0)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _pitch(samples: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples))


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_speed_changes_tempo_and_pitch_together(factor):
    faster = change_speed(TONE, factor)
    assert faster.dtype == np.float32
    assert len(faster) == pytest.approx(RATE / factor, abs=2)
    assert _pitch(faster) == pytest.approx(440 * factor, rel=0.01)


def test_speed_leaves_the_high_frequencies():
    hiss = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)

    def high(samples: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(samples)) ** 2
        return float(power[int(0.84 * len(power)) : int(0.9 * len(power))].mean())

    for factor in (0.95, 0.99):
        assert high(change_speed(hiss, factor)) > 0.5 * high(hiss)


def test_a_share_of_the_clips_keeps_its_speed():
    options = replace(OFF, speed=0.1, speed_chance=0.5)
    kept = [len(disturb(TONE, options, np.random.default_rng(seed))) == len(TONE) for seed in range(60)]
    assert 15 < sum(kept) < 45


def test_speed_keeps_a_clip_within_what_the_model_hears():
    assert len(change_speed(TONE[:1600], 1.5)) >= 1600
    assert len(change_speed(np.tile(TONE, 30), 0.5)) <= 30 * RATE


@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_noise_is_as_loud_as_asked(snr):
    noise = add_noise(TONE, snr, _rng()) - TONE
    assert 10 * np.log10(np.mean(TONE**2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.1)


def test_reverberation_keeps_length_and_loudness_and_rings_on():
    click = np.zeros(RATE, np.float32)
    click[1000] = 1.0
    wet = reverberate(click, 0.2, 0.3, _rng())
    assert len(wet) == RATE
    assert np.mean(wet**2) == pytest.approx(np.mean(click**2), rel=1e-3)
    assert np.all(wet[:990] ** 2 < 1e-9)
    assert np.sum(wet[1010:4000] ** 2) > 0.1 * np.sum(wet**2)


def test_silence_stays_finite():
    silence = np.zeros(RATE, np.float32)
    everything = Augmentation(noise_chance=1, reverb_chance=1)
    assert np.isfinite(disturb(silence, everything, _rng())).all()


def test_disturb_repeats_with_its_generator_and_does_nothing_when_off():
    options = Augmentation(noise_chance=1, reverb_chance=1)
    np.testing.assert_array_equal(disturb(TONE, options, _rng(3)), disturb(TONE, options, _rng(3)))
    assert not np.array_equal(disturb(TONE, options, _rng(3)), disturb(TONE, options, _rng(4)))
    np.testing.assert_array_equal(disturb(TONE, OFF, _rng()), TONE)


def test_masks_lie_within_the_audio_and_hold_its_mean():
    features = torch.randn(2, 80, 100, generator=torch.Generator().manual_seed(0))
    frames = torch.tensor([100, 40])
    masked = mask_features(
        features, frames, Augmentation(frequency_mask_width=0.3, time_mask_width=0.3), _rng(1)
    )
    changed = masked != features
    assert changed.any(dim=(1, 2)).all()
    assert not changed[1, :, 40:].any()
    torch.testing.assert_close(
        masked[1][changed[1]].unique(), features[1, :, :40].mean()[None], rtol=1e-5, atol=1e-6
    )


def test_a_mask_covers_at_most_its_share():
    features = torch.randn(1, 80, 100, generator=torch.Generator().manual_seed(0))
    options = Augmentation(frequency_masks=1, frequency_mask_width=0.1, time_masks=0)
    for seed in range(30):
        masked = mask_features(features, torch.tensor([100]), options, _rng(seed))
        assert (masked != features).all(dim=2).sum() <= 8
