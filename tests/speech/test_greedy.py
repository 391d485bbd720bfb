"""Rows that write side by side, against the library's forward pass."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import GlmAsrForConditionalGeneration

from earmark.speech.cpu_language_model import GraphedLanguageModel
from earmark.speech.demo_phrases import characters
from earmark.speech.greedy import SPARE_PLACES, Decoder, Written
from earmark.speech.language_model import LanguageModel
from earmark.speech.model_folder import LoadedModel
from earmark.speech.tiny_model import untrained_tiny_model

UNSAID = 600
STILL = "modules, same shapes"
WIDTH = 64
CAPS = [12, 3, 20, 1, 7, 16, 5]


@pytest.fixture(scope="module", params=[2, 1], ids=["own keys", "shared keys"])
def deep(request: pytest.FixtureRequest) -> LoadedModel:
    """Two query heads and as many keys, or one for both, as in the published model.

    Random, but its weights are large enough that it does not write the same token for ever.
    """
    loaded = untrained_tiny_model(characters(), seed=9, hidden=WIDTH, layers=2)
    config = loaded.model.config
    config.text_config.num_key_value_heads = request.param
    torch.manual_seed(9)
    model = GlmAsrForConditionalGeneration(config).eval()
    with torch.no_grad():
        for weight in model.model.language_model.layers.parameters():
            if weight.dim() == 2:
                weight.mul_(12)
    return replace(loaded, model=model)


@pytest.fixture(scope="module")
def prompts() -> list[torch.Tensor]:
    """Of different lengths [P, WIDTH]."""
    random = torch.Generator().manual_seed(3)
    return [torch.randn(places, WIDTH, generator=random) for places in (30, 28, 21, 20, 14, 9, 5)]


def by_library(loaded: LoadedModel, prompt: torch.Tensor, cap: int) -> tuple[list[int], list[float]]:
    """Tokens and log-probabilities, everything computed anew for every step."""
    read, ids, logprobs = prompt[None], list[int](), list[float]()
    table = loaded.model.get_input_embeddings()
    with torch.inference_mode():
        for _ in range(cap):
            scores = loaded.model(inputs_embeds=read).logits[0, -1].log_softmax(-1)
            ids.append(int(scores.argmax()))
            logprobs.append(float(scores.max()))
            read = torch.cat((read, table(torch.tensor([[ids[-1]]]))), dim=1)
    return ids, logprobs


def written(
    loaded: LoadedModel, prompts: list[torch.Tensor], *, slots: int, way: str, ends: list[int]
) -> dict[int, Written]:
    with torch.inference_mode():
        decoder = Decoder(
            GraphedLanguageModel(loaded.model) if way == "graphs" else LanguageModel(loaded.model),
            ends,
            slots=slots,
            room=30 + max(CAPS) + SPARE_PLACES,
            longest=max(CAPS),
            still=way == STILL,
        )
        found: dict[int, Written] = {}
        for key, prompt in enumerate(prompts):
            while not decoder.free:
                decoder.step()
                found.update(decoder.leave())
            decoder.admit([key], [prompt], [CAPS[key]])
            found.update(decoder.leave())
        while decoder.busy:
            decoder.shrink()
            decoder.step()
            found.update(decoder.leave())
    return found


@pytest.mark.parametrize("way", ["graphs", "modules", STILL])
@pytest.mark.parametrize("slots", [1, 3, 7])
def test_every_row_is_written_as_if_it_were_alone(
    deep: LoadedModel, prompts: list[torch.Tensor], slots: int, way: str
) -> None:
    found = written(deep, prompts, slots=slots, way=way, ends=[UNSAID])
    for key, prompt in enumerate(prompts):
        ids, logprobs = by_library(deep, prompt, CAPS[key])
        assert found[key].ids == ids
        assert np.allclose(found[key].logprobs, logprobs, atol=1e-4)
        assert UNSAID not in ids


@pytest.mark.parametrize("way", ["graphs", "modules", STILL])
def test_a_row_ends_with_its_first_end_token(
    deep: LoadedModel, prompts: list[torch.Tensor], way: str
) -> None:
    whole = [by_library(deep, prompt, CAPS[key])[0] for key, prompt in enumerate(prompts)]
    assert len(set(whole[2])) > 4
    ends = [whole[2][6], whole[5][0]]
    found = written(deep, prompts, slots=3, way=way, ends=ends)
    for key, ids in enumerate(whole):
        length = next((i + 1 for i, token in enumerate(ids) if token in ends), len(ids))
        assert found[key].ids == ids[:length]
    assert any(len(found[key].ids) < CAPS[key] for key in found)


def test_several_begin_together_and_can_be_looked_at_on_their_way(
    deep: LoadedModel, prompts: list[torch.Tensor]
) -> None:
    with torch.inference_mode():
        decoder = Decoder(LanguageModel(deep.model), [UNSAID], slots=4, room=60, longest=20)
        decoder.admit([7, 8, 9], prompts[:3], [12, 12, 12])
        decoder.step()
        decoder.step()
    assert (decoder.busy, decoder.free) == (3, 1)
    for key, prompt in zip((7, 8, 9), prompts, strict=False):
        assert decoder.so_far(key).ids == by_library(deep, prompt, 3)[0]
