"""The engine against the plain library call."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from earmark.speech.engine import ENTROPY_CHOICES, Heard
from earmark.speech.errors import EarmarkError
from earmark.speech.examples import encode_text, model_inputs
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import LoadedModel, Manifest
from earmark.speech.token_scores import TokenSpeller

Spoken = list[tuple[np.ndarray, str]]


def heard_by_library(
    loaded: LoadedModel, waveform: np.ndarray, cap: int
) -> tuple[str, list[int], np.ndarray]:
    """Text, token ids to the first end token, and log-probabilities of every step [steps, vocabulary]."""
    inputs = model_inputs(loaded, [waveform])
    with torch.inference_mode():
        out = loaded.model.generate(
            **inputs, do_sample=False, max_new_tokens=cap, output_scores=True, return_dict_in_generate=True
        )
    ids = out.sequences[0, inputs["input_ids"].shape[1] :]
    text = loaded.processor.batch_decode(ids[None], skip_special_tokens=True)[0]
    scores = torch.stack(out.scores, dim=1)[0].log_softmax(-1).numpy()
    return text, ids.tolist(), scores


def test_one_pass_gives_what_the_library_gives(trained: LoadedModel, spoken: Spoken) -> None:
    engine = GlmAsrEngine(trained)
    found = engine.hear([waveform for waveform, _ in spoken])
    for (waveform, _), heard in zip(spoken, found, strict=True):
        text, ids, scores = heard_by_library(trained, waveform, engine.token_cap(len(waveform)))
        assert heard.text == text
        assert [token.token_id for token in heard.tokens] == ids
        chosen = scores[np.arange(len(ids)), ids]
        assert np.allclose([token.logprob for token in heard.tokens], chosen, atol=1e-4)
        few = np.sort(scores, axis=1)[:, -ENTROPY_CHOICES:]
        few = np.exp(few) / np.exp(few).sum(1, keepdims=True)
        assert np.allclose([t.entropy for t in heard.tokens], -(few * np.log(few)).sum(1), atol=1e-3)


def test_it_hears_what_was_said(trained: LoadedModel, spoken: Spoken) -> None:
    found = GlmAsrEngine(trained).hear([waveform for waveform, _ in spoken])
    right = sum(heard.text == text for heard, (_, text) in zip(found, spoken, strict=True))
    assert right >= 10
    assert not any(heard.truncated for heard in found)


def test_tokens_end_with_the_end_token_and_spell_the_text(trained: LoadedModel, spoken: Spoken) -> None:
    for heard in GlmAsrEngine(trained).hear([waveform for waveform, _ in spoken]):
        assert heard.tokens[-1].token_id in trained.end_token_ids
        assert not any(token.token_id in trained.end_token_ids for token in heard.tokens[:-1])
        assert "".join(token.text for token in heard.tokens).strip() == heard.text


def close(a: Heard, b: Heard) -> bool:
    same = (a.text, a.truncated, len(a.tokens)) == (b.text, b.truncated, len(b.tokens))
    return same and np.allclose([t.logprob for t in a.tokens], [t.logprob for t in b.tokens], atol=1e-3)


def test_neighbours_do_not_change_what_is_heard(trained: LoadedModel, spoken: Spoken) -> None:
    engine, waveforms = GlmAsrEngine(trained), [waveform for waveform, _ in spoken]
    together = engine.hear(waveforms)
    alone = [engine.hear([waveform])[0] for waveform in waveforms]
    backwards = engine.hear(waveforms[::-1])[::-1]
    assert all(map(close, together, alone))
    assert all(map(close, together, backwards))


@pytest.mark.parametrize("window", ["trimmed", "fixed"])
def test_a_model_that_never_stops_is_cut_at_each_clips_own_cap(
    untrained: LoadedModel, noise: list[np.ndarray], window: str
) -> None:
    loaded = replace(untrained, manifest=Manifest(window=window, max_new_tokens_per_second=10))
    engine = GlmAsrEngine(loaded)
    found = engine.hear(noise)
    assert [engine.token_cap(len(clip)) for clip in noise] == [18, 9, 33, 18]
    assert [len(heard.tokens) for heard in found] == [18, 9, 33, 18]
    assert all(heard.truncated for heard in found)


@pytest.mark.parametrize("window", ["trimmed", "fixed"])
def test_many_lengths_at_once_equal_the_library_one_by_one(
    trained: LoadedModel, spoken: Spoken, window: str
) -> None:
    """Joined phrases, some cut off by a low cap, more clips than are written at a time, in two lanes."""
    loaded = replace(trained, manifest=Manifest(window=window, max_new_tokens_per_second=6))
    waveforms = [np.concatenate([w for w, _ in spoken[i : i + 1 + i % 3]]) for i in range(10)]
    engine = GlmAsrEngine(loaded)
    torch.set_num_threads(2)
    try:
        found = engine.hear(waveforms)
    finally:
        torch.set_num_threads(1)
    checked = range(10) if window == "trimmed" else (0, 5)
    for i in checked:
        _, ids, scores = heard_by_library(loaded, waveforms[i], engine.token_cap(len(waveforms[i])))
        assert [token.token_id for token in found[i].tokens] == ids
        assert np.allclose([t.logprob for t in found[i].tokens], scores[np.arange(len(ids)), ids], atol=1e-4)
    assert len({heard.truncated for heard in found}) == 2


def test_the_embedding_is_the_mean_of_what_the_encoder_made_of_the_clip_itself(
    trained: LoadedModel, spoken: Spoken
) -> None:
    waveform = spoken[0][0]
    with torch.inference_mode():
        inputs = model_inputs(trained, [waveform])
        encoded = trained.model.model.audio_tower(inputs["input_features"]).last_hidden_state[0]
    own = encoded[: -(-len(waveform) // 320)]
    (heard,) = GlmAsrEngine(trained).hear([waveform])
    assert heard.embedding is not None
    assert heard.embedding.dtype == np.float32
    assert np.allclose(heard.embedding, own.mean(0).numpy(), atol=1e-4)


def test_a_language_is_asked_for_in_the_words_the_model_was_taught(
    untrained: LoadedModel, noise: list[np.ndarray]
) -> None:
    manifest = Manifest(window="trimmed", prompt="Write", prompts={"yue": "Write Cantonese"})
    engine = GlmAsrEngine(replace(untrained, manifest=manifest))
    asked = replace(untrained, manifest=replace(manifest, prompt="Write Cantonese"))
    mixed = engine.hear(noise, languages=["auto", "yue", "zh", "yue"])
    plain, cantonese = engine.hear(noise), GlmAsrEngine(asked).hear(noise)
    assert all(map(close, mixed, [plain[0], cantonese[1], plain[2], cantonese[3]]))
    assert not close(plain[1], cantonese[1])


def test_a_character_of_several_tokens_is_spelt_once(untrained: LoadedModel) -> None:
    ids = encode_text(untrained, "é打")
    tokens = TokenSpeller(untrained.tokenizer).scored(ids, [-0.1] * len(ids), [0.2] * len(ids))
    assert [token.text for token in tokens] == ["", "é", "打"]


def test_no_clips_is_no_work_and_a_bad_clip_stops_it_before_any(
    untrained: LoadedModel, noise: list[np.ndarray]
) -> None:
    engine = GlmAsrEngine(untrained)
    assert engine.hear([]) == []
    with pytest.raises(EarmarkError) as caught:
        engine.hear([*noise, np.zeros(800, np.float32)])
    assert caught.value.error_id == "speech:clip:too_short"


def test_growing_ends_as_the_whole(trained: LoadedModel, spoken: Spoken) -> None:
    engine, waveform = GlmAsrEngine(trained), spoken[0][0]
    grown = list(engine.hear_growing(waveform))
    (whole,) = engine.hear([waveform])
    assert close(grown[-1], whole)
    assert [len(heard.tokens) for heard in grown] == list(range(1, len(whole.tokens) + 1))
    assert all(heard.truncated for heard in grown[:-1])


@pytest.mark.parametrize("languages", [["fr"], ["en", "en"], []])
def test_a_language_nobody_knows_is_refused(
    trained: LoadedModel, spoken: Spoken, languages: list[str]
) -> None:
    engine = GlmAsrEngine(trained)
    with pytest.raises(EarmarkError) as caught:
        engine.hear([spoken[0][0]], languages=languages)
    assert caught.value.error_id.startswith("speech:language:")


@pytest.mark.parametrize(
    ("clip", "error_id"),
    [
        (np.zeros(0, np.float32), "speech:clip:too_short"),
        (np.zeros(480_001, np.float32), "speech:clip:too_long"),
        (np.zeros((2, 16_000), np.float32), "speech:clip:shape"),
        (np.full(16_000, np.nan, np.float32), "speech:clip:not_finite"),
        (np.full(16_000, np.inf, np.float32), "speech:clip:not_finite"),
    ],
)
def test_what_no_model_can_hear_is_refused(untrained: LoadedModel, clip: np.ndarray, error_id: str) -> None:
    engine = GlmAsrEngine(untrained)
    with pytest.raises(EarmarkError) as caught:
        engine.hear([clip])
    assert caught.value.error_id == error_id
    with pytest.raises(EarmarkError) as caught:
        list(engine.hear_growing(clip))
    assert caught.value.error_id == error_id
