"""The Whisper engine against the plain library call."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from earmark.speech.engine import ENTROPY_CHOICES, Abilities, Heard
from earmark.speech.errors import EarmarkError
from earmark.speech.whisper import LoadedWhisper, WhisperEngine
from tests.speech.tiny_whisper import tiny_whisper

ENDS = (*range(33, 70), *range(120, 160))


@pytest.fixture(scope="module")
def many() -> LoadedWhisper:
    """A checkpoint of four languages that ends its texts at any of many tokens, so at different lengths."""
    loaded = tiny_whisper(seed=7)
    loaded.model.generation_config.eos_token_id = [256, *ENDS]
    return loaded


def by_library(
    loaded: LoadedWhisper, waveform: np.ndarray, cap: int, **steering: Any
) -> tuple[str, Any, Any]:
    """Text, the tokens written with the one that ended them, log-probabilities of each step [steps, V]."""
    inputs = loaded.processor(waveform, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        out = loaded.model.generate(
            inputs["input_features"], attention_mask=torch.ones(1, 3000), do_sample=False, max_new_tokens=cap,
            output_scores=True, return_dict_in_generate=True, **steering,
        )  # fmt: skip
    steps = len(out.scores)
    ids = out.sequences[0, -steps:].tolist()
    spoken = ids[:-1] if ids[-1] in loaded.model.generation_config.eos_token_id else ids
    text = loaded.processor.decode(spoken, skip_special_tokens=True).strip()
    return text, ids, torch.stack(out.scores, dim=1)[0].float().log_softmax(-1).numpy()


@pytest.mark.parametrize("language", ["en", "zh", "yue"])
def test_a_forced_language_gives_what_the_library_gives(
    many: LoadedWhisper, noise: list[np.ndarray], language: str
) -> None:
    engine = WhisperEngine(many)
    found = engine.hear(noise, languages=[language] * len(noise))
    assert len({len(heard.tokens) for heard in found}) > 1
    for waveform, heard in zip(noise, found, strict=True):
        text, ids, scores = by_library(
            many, waveform, engine.token_cap(len(waveform)), language=language, task="transcribe"
        )
        assert (heard.text, [token.token_id for token in heard.tokens], heard.language) == (
            text,
            ids,
            language,
        )
        assert np.allclose([t.logprob for t in heard.tokens], scores[np.arange(len(ids)), ids], atol=1e-4)
        few = np.exp(np.sort(scores, axis=1)[:, -ENTROPY_CHOICES:])
        few /= few.sum(1, keepdims=True)
        assert np.allclose([t.entropy for t in heard.tokens], -(few * np.log(few)).sum(1), atol=1e-3)
        assert heard.truncated == (ids[-1] not in many.model.generation_config.eos_token_id)


def test_the_language_is_its_own_guess_when_it_is_left_to_it(
    many: LoadedWhisper, noise: list[np.ndarray]
) -> None:
    engine = WhisperEngine(many)
    found = engine.hear(noise)
    features = many.processor(noise, sampling_rate=16_000, return_tensors="pt")["input_features"]
    names = {number: token[2:-2] for token, number in many.model.generation_config.lang_to_id.items()}
    detected = [names[number] for number in many.model.detect_language(features).tolist()]
    assert [heard.language for heard in found] == detected
    told = engine.hear(noise, languages=detected) if set(detected) <= {"en", "zh", "yue"} else found
    assert [heard.text for heard in told] == [heard.text for heard in found]


def same(a: Heard, b: Heard) -> bool:
    equal = (a.text, a.truncated, a.language, len(a.tokens)) == (
        b.text,
        b.truncated,
        b.language,
        len(b.tokens),
    )
    return equal and np.allclose([t.logprob for t in a.tokens], [t.logprob for t in b.tokens], atol=1e-4)


def test_neighbours_and_their_languages_change_nothing(many: LoadedWhisper, noise: list[np.ndarray]) -> None:
    engine, modes = WhisperEngine(many), ["zh", "auto", "en", "yue"]
    together = engine.hear(noise, languages=modes)
    alone = [engine.hear([one], languages=[mode])[0] for one, mode in zip(noise, modes, strict=True)]
    assert all(map(same, together, alone))
    assert [one.embedding.shape for one in together if one.embedding is not None] == [(32,)] * 4


def test_it_grows_to_what_is_heard_at_once(many: LoadedWhisper, noise: list[np.ndarray]) -> None:
    engine = WhisperEngine(many)
    (whole,) = engine.hear(noise[2:3], languages=["en"])
    grown = list(engine.hear_growing(noise[2], language="en"))
    assert [len(each.tokens) for each in grown] == list(range(1, len(whole.tokens) + 1))
    assert same(grown[-1], whole)


def test_the_embedding_is_of_the_clip_and_not_of_its_padding(
    many: LoadedWhisper, noise: list[np.ndarray]
) -> None:
    heard = WhisperEngine(many).hear(noise[:1])[0]
    features = many.processor(noise[0], sampling_rate=16_000, return_tensors="pt")["input_features"]
    with torch.inference_mode():
        states = many.model.get_encoder()(features).last_hidden_state[0]
    assert heard.embedding is not None
    assert np.allclose(heard.embedding, states[:50].mean(0).numpy(), atol=1e-5)


def test_a_checkpoint_is_saved_and_loaded_again(
    many: LoadedWhisper, noise: list[np.ndarray], tmp_path: Path
) -> None:
    save(many, tmp_path)
    engine = WhisperEngine.load(str(tmp_path), "cpu")
    assert all(map(same, engine.hear(noise), WhisperEngine(many).hear(noise)))
    assert engine.padded_seconds(0.5) == 30.0


def save(loaded: LoadedWhisper, folder: Path) -> None:
    loaded.model.save_pretrained(folder)
    loaded.processor.save_pretrained(folder)


def test_a_folder_that_is_no_whole_whisper_says_what_it_lacks(many: LoadedWhisper, tmp_path: Path) -> None:
    save(many, tmp_path)
    weights = tmp_path / "model.safetensors"
    kept = load_file(weights)
    kept.pop("model.decoder.layers.1.fc1.weight")
    save_file(kept, weights, metadata={"format": "pt"})
    assert_unavailable(tmp_path, r"lacks weights.*fc1")
    weights.unlink()
    assert_unavailable(tmp_path, "safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert_unavailable(tmp_path, "does not hold a Whisper model")


def assert_unavailable(folder: Path, match: str) -> None:
    with pytest.raises(EarmarkError, match=match) as caught:
        WhisperEngine.load(str(folder), "cpu")
    assert caught.value.error_id == "recognition:model:unavailable"


def test_it_can_be_asked_for_what_its_checkpoint_knows(many: LoadedWhisper, noise: list[np.ndarray]) -> None:
    every = Abilities(
        logprobs=True, entropies=True, embeddings=True, streams=True, languages=("en", "yue", "zh")
    )
    assert WhisperEngine(many).abilities == every
    older = WhisperEngine(tiny_whisper(languages=("en", "zh")))
    with pytest.raises(EarmarkError, match=r"'yue'.*auto or one of en, zh") as caught:
        older.hear(noise[:1], languages=["yue"])
    assert caught.value.error_id == "speech:language:unknown"


def test_a_checkpoint_of_english_alone_is_told_no_language(noise: list[np.ndarray]) -> None:
    loaded = tiny_whisper(languages=())
    loaded.model.generation_config.eos_token_id = [256]
    engine = WhisperEngine(loaded)
    heard = engine.hear(noise[:1])[0]
    text, ids, _ = by_library(loaded, noise[0], engine.token_cap(len(noise[0])))
    assert (heard.text, [token.token_id for token in heard.tokens]) == (text, ids)
    assert (heard.language, engine.abilities.languages) == ("en", ("en",))


def test_a_text_is_cut_at_its_clips_own_cap_and_at_the_models_last_position(
    noise: list[np.ndarray],
) -> None:
    engine = WhisperEngine(tiny_whisper())
    found = engine.hear([*noise, np.tile(noise[0], 20)])
    assert [len(heard.tokens) for heard in found] == [23, 10, 46, 23, 60]
    assert all(heard.truncated for heard in found)


def test_where_the_model_says_that_nobody_speaks_there_is_no_text(noise: list[np.ndarray]) -> None:
    loaded = tiny_whisper()
    loaded.model.generation_config.suppress_tokens += [266]
    with torch.no_grad():
        hidden = loaded.model.model.decoder.layer_norm
        hidden.weight.zero_()
        hidden.bias.copy_(loaded.model.proj_out.weight[266] * 3)
    heard = WhisperEngine(loaded).hear(noise[:1], languages=["en"])[0]
    assert heard.text == ""
    assert [token.token_id for token in heard.tokens] == [266]
    assert heard.tokens[0].logprob > np.log(0.6)


def test_no_clips_is_no_work_and_a_bad_clip_stops_it_before_any(
    many: LoadedWhisper, noise: list[np.ndarray]
) -> None:
    engine = WhisperEngine(many)
    assert engine.hear([]) == []
    with pytest.raises(EarmarkError) as caught:
        engine.hear([*noise, np.zeros(800, np.float32)])
    assert caught.value.error_id == "speech:clip:too_short"
