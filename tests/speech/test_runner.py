"""What runs a model's parts, and when it is built anew."""

from dataclasses import replace

import numpy as np
import torch

from earmark.speech.cpu_graphs import suits
from earmark.speech.cpu_language_model import GraphedLanguageModel
from earmark.speech.demo_phrases import characters
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.language_model import LanguageModel
from earmark.speech.model_folder import LoadedModel
from earmark.speech.runner import Runner
from earmark.speech.tiny_model import untrained_tiny_model


def test_a_small_plain_model_gets_graphs_another_none(untrained: LoadedModel) -> None:
    runner = Runner(untrained)
    runner.refresh()
    assert isinstance(runner.language_model(), GraphedLanguageModel)
    other = untrained_tiny_model(characters(), seed=5, hidden=32, layers=1)
    layer = other.model.model.language_model.layers[0].self_attn
    layer.q_proj = torch.nn.Sequential(layer.q_proj)
    layer.q_proj.in_features, layer.q_proj.out_features = 32, 32
    assert not suits(other.model)
    assert not suits(other.model.to(torch.bfloat16))


def test_it_hears_with_the_weights_as_they_stand(untrained: LoadedModel, noise: list[np.ndarray]) -> None:
    learning = untrained_tiny_model(characters(), seed=5, hidden=32, layers=1)
    engine = GlmAsrEngine(replace(learning, manifest=untrained.manifest))
    before = engine.hear(noise[:1])[0]
    with torch.no_grad():
        for weight in learning.model.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * 0.05)
    after = engine.hear(noise[:1])[0]
    assert not np.allclose(before.embedding, after.embedding, atol=1e-3)
    anew = GlmAsrEngine(replace(learning, manifest=untrained.manifest)).hear(noise[:1])[0]
    assert [token.token_id for token in after.tokens] == [token.token_id for token in anew.tokens]
    assert np.allclose(after.embedding, anew.embedding, atol=1e-6)


def test_graphs_are_kept_while_the_weights_stay(untrained: LoadedModel) -> None:
    runner = Runner(untrained)
    runner.refresh()
    first = runner.language_model()
    runner.refresh()
    assert runner.language_model() is first
    assert not isinstance(first, LanguageModel)
