"""Spectra against the library's extractor."""

import numpy as np
import pytest
import torch

from earmark.speech.features import LogMelMaker
from earmark.speech.model_folder import LoadedModel

ALIKE = [
    (1_600, 7_680),
    (16_001, 23_040),
    (7_280, 7_680),
    (7_480, 7_680),
    (7_680, 7_680),
    (40_000, 480_000),
    (479_900, 480_000),
    (480_000, 480_000),
]


@pytest.mark.parametrize(("samples", "window"), ALIKE)
def test_a_clips_own_frames_and_a_constant_are_what_the_library_makes(
    untrained: LoadedModel, samples: int, window: int
) -> None:
    waveform = (np.random.default_rng(samples).standard_normal(samples) * 0.1).astype(np.float32)
    extractor = untrained.processor.feature_extractor
    made = extractor(
        [waveform],
        sampling_rate=16_000,
        padding="max_length",
        max_length=window,
        return_attention_mask=True,
        return_tensors="pt",
    )
    found = LogMelMaker(extractor)(waveform, window)
    assert torch.allclose(found.padded(), made["input_features"][0], atol=1e-5)
    valid = made["attention_mask"].sum(-1)
    assert found.tokens == int(untrained.processor._get_audio_token_length(valid))
    assert LogMelMaker(extractor).tokens(samples) == found.tokens
    assert found.own.shape[1] <= samples // 160 + 3


def test_digital_silence_is_one_constant(untrained: LoadedModel) -> None:
    found = LogMelMaker(untrained.processor.feature_extractor)(np.zeros(8_000, np.float32), 15_360)
    assert torch.allclose(found.padded(), torch.tensor(-1.5), atol=1e-5)


def test_a_quiet_clip_keeps_eight_decades(untrained: LoadedModel) -> None:
    waveform = np.sin(np.arange(8_000) * 0.3).astype(np.float32)
    found = LogMelMaker(untrained.processor.feature_extractor)(waveform, 15_360)
    assert float(found.padded().max()) - found.floor == pytest.approx(2.0, abs=1e-5)
