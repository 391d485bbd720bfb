"""The engine against the plain library call."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from earmark.speech.engine import ENTROPY_CHOICES, Heard
from earmark.speech.errors import EarmarkError
from earmark.speech.examples import model_inputs
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import LoadedModel, Manifest

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


def test_scoring_its_own_text_gives_its_own_scores(trained: LoadedModel, spoken: Spoken) -> None:
    engine, waveforms = GlmAsrEngine(trained), [waveform for waveform, _ in spoken]
    heard = engine.hear(waveforms)
    scored = engine.score(waveforms, [h.text for h in heard])
    for ours, forced in zip(heard, scored, strict=True):
        assert [t.token_id for t in ours.tokens[:-1]] == [t.token_id for t in forced[:-1]]
        assert np.allclose([t.logprob for t in ours.tokens], [t.logprob for t in forced], atol=1e-3)
        assert np.allclose([t.entropy for t in ours.tokens], [t.entropy for t in forced], atol=1e-3)


def test_the_right_text_scores_above_a_wrong_one(trained: LoadedModel, spoken: Spoken) -> None:
    engine, waveforms = GlmAsrEngine(trained), [waveform for waveform, _ in spoken]
    texts = [text for _, text in spoken]

    def totals(wanted: Sequence[str]) -> np.ndarray:
        return np.array([sum(t.logprob for t in tokens) for tokens in engine.score(waveforms, wanted)])

    assert (totals(texts) > totals(["x" + text for text in texts])).all()


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


def test_a_fixed_window_equals_the_library_too(untrained: LoadedModel, noise: list[np.ndarray]) -> None:
    loaded = replace(untrained, manifest=Manifest(window="fixed"))
    engine = GlmAsrEngine(loaded)
    heard = engine.hear(noise[:1])[0]
    _, ids, scores = heard_by_library(loaded, noise[0], engine.token_cap(len(noise[0])))
    assert [token.token_id for token in heard.tokens] == ids
    assert np.allclose([t.logprob for t in heard.tokens], scores[np.arange(len(ids)), ids], atol=1e-4)


def test_a_character_of_several_tokens_is_spelt_once(untrained: LoadedModel, noise: list[np.ndarray]) -> None:
    tokens = GlmAsrEngine(untrained).score(noise[:1], ["é打"])[0]
    assert [token.text for token in tokens[:-1]] == ["", "é", "打"]


def test_no_clips_is_no_work_and_a_bad_clip_stops_it_before_any(
    untrained: LoadedModel, noise: list[np.ndarray]
) -> None:
    engine = GlmAsrEngine(untrained)
    assert engine.hear([]) == []
    with pytest.raises(EarmarkError) as caught:
        engine.hear([*noise, np.zeros(800, np.float32)])
    assert caught.value.error_id == "speech:clip:too_short"
    with pytest.raises(EarmarkError) as caught:
        engine.score(noise, ["one"])
    assert caught.value.error_id == "speech:score:unpaired"


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
