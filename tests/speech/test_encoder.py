"""The encoder without what nobody reads, against the library's."""

import numpy as np
import pytest
import torch

from earmark.speech.cpu_graphs import EncoderGraphs
from earmark.speech.demo_phrases import characters
from earmark.speech.encoder import encode, project
from earmark.speech.features import LogMel, LogMelMaker
from earmark.speech.model_folder import LoadedModel
from earmark.speech.tiny_model import untrained_tiny_model

CPU = torch.device("cpu")
FIXED = 480_000


@pytest.fixture(scope="module")
def deep() -> LoadedModel:
    """Three layers: a first, a middle and a last."""
    return untrained_tiny_model(characters(), seed=4, hidden=32, layers=3)


def spectrum(loaded: LoadedModel, samples: int, window: int) -> LogMel:
    random = np.random.default_rng(samples)
    loudness = np.abs(np.sin(np.arange(samples) / 3_000))
    waveform = (random.standard_normal(samples) * 0.2 * loudness).astype(np.float32)
    return LogMelMaker(loaded.processor.feature_extractor)(waveform, window)


def by_library(loaded: LoadedModel, each: LogMel) -> torch.Tensor:
    out = loaded.model.model.audio_tower(each.padded()[None])
    return out.last_hidden_state[0, : each.encoded]


@pytest.mark.parametrize("samples", [1_600, 16_000, 90_001, 476_000, 478_400, 480_000])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("graphs", [True, False], ids=["graphs", "modules"])
def test_silence_behind_a_clip_weighs_in_as_if_it_were_computed(
    untrained: LoadedModel, deep: LoadedModel, samples: int, layers: int, graphs: bool
) -> None:
    loaded = untrained if layers == 1 else deep
    each = spectrum(loaded, samples, FIXED)
    tower = loaded.model.model.audio_tower
    with torch.inference_mode():
        (found,) = encode(tower, [each], device=CPU, graphs=EncoderGraphs(tower) if graphs else None)
        wanted = by_library(loaded, each)
    assert found.shape == wanted.shape == (each.encoded, 32)
    assert torch.allclose(found, wanted, atol=2e-5)


@pytest.mark.parametrize("graphs", [True, False], ids=["graphs", "modules"])
def test_clips_of_one_window_share_a_pass_and_change_nothing_of_each_other(
    deep: LoadedModel, graphs: bool
) -> None:
    tower = deep.model.model.audio_tower
    spectra = [spectrum(deep, samples, 46_080) for samples in (40_000, 46_080, 38_500)]
    with torch.inference_mode():
        found = encode(tower, spectra, device=CPU, graphs=EncoderGraphs(tower) if graphs else None)
        wanted = [by_library(deep, each) for each in spectra]
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=2e-5)


def test_audio_tokens_are_the_librarys(deep: LoadedModel) -> None:
    each = spectrum(deep, 40_000, 46_080)
    model = deep.model.model
    with torch.inference_mode():
        (encoded,) = encode(model.audio_tower, [each], device=CPU)
        found = project(model, encoded[: 4 * each.tokens])
        mask = torch.arange(each.frames)[None] < each.spoken
        wanted = model.get_audio_features(each.padded()[None], mask.long(), return_dict=True).pooler_output
    assert found.shape == wanted.shape == (31, 32)
    assert torch.allclose(found, wanted, atol=2e-5)


def test_it_works_without_inference_mode_and_leaves_gradients_alone(deep: LoadedModel) -> None:
    each = spectrum(deep, 16_000, 23_040)
    (found,) = encode(deep.model.model.audio_tower, [each], device=CPU)
    assert found.requires_grad
