"""What learns and what does not, and that a model with adapters ends as a plain one that says the same everywhere."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GlmAsrForConditionalGeneration, GlmAsrProcessor

from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import LoadedModel, load_model, save_model
from tests.training_jobs.recipe.conftest import WORD, sound, weight_bytes
from training_jobs.recipe.adapters import adapt, learned, plain
from training_jobs.recipe.forward import Spoken, next_tokens
from training_jobs.recipe.learning_examples import ExampleMaker
from training_jobs.recipe.mean_teacher import make_teacher
from training_jobs.recipe.prepare import read_metrics
from training_jobs.recipe.pseudo_labels import Interrupted
from training_jobs.recipe.recipes import Adaptation, Augmentation
from training_jobs.recipe.training import train

LORA = {"method": "lora", "rank": 4, "encoder": False, "dropout": 0.1}
STILL = {"speed": 0.0, "noise_chance": 0.0, "reverb_chance": 0.0, "frequency_masks": 0, "time_masks": 0}
FEW = {"warm_up_epochs": 1, "mixed_epochs": 1}


@pytest.fixture
def loaded(one_word_model: Path) -> LoadedModel:
    return load_model(str(one_word_model))


def _spoken(loaded: LoadedModel) -> list[Spoken]:
    make = ExampleMaker(loaded, Augmentation(**STILL))
    found = [make(sound(s, 300.0), WORD, rng=torch.Generator()).heard for s in (0.5, 0.6, 1.1)]  # type: ignore[arg-type]
    return found


def _changed(model: torch.nn.Module) -> None:
    with torch.no_grad():
        for name, one in model.named_parameters():
            if "lora_B" in name:
                one.add_(0.05)


def test_each_part_learns_where_it_is_set_to(loaded: LoadedModel) -> None:
    def parts(**options: Any) -> set[str]:
        model = replace(loaded, model=load_model(loaded.source).model)
        adapt(model, Adaptation(**options), seed=1)
        return {name.split(".")[1] + ("+" if "lora" in name else "") for name in learned(model.model)}

    everything = {"language_model", "multi_modal_projector", "audio_tower"}
    assert parts() == everything
    assert parts(encoder=False) == everything - {"audio_tower"}
    assert parts(method="lora", encoder=False, projector=False) == {"language_model+"}
    assert parts(method="lora") == {"language_model+", "multi_modal_projector", "audio_tower"}


def test_adapters_change_nothing_at_first_and_merge_into_what_they_have_learned(loaded: LoadedModel) -> None:
    batch = _spoken(loaded)
    with torch.no_grad():
        before = next_tokens(loaded.model, batch).logits
        adapt(loaded, Adaptation(**LORA), seed=1)
        torch.testing.assert_close(next_tokens(loaded.model, batch).logits, before, rtol=1e-4, atol=1e-5)
        _changed(loaded.model)
        after = next_tokens(loaded.model, batch).logits
        merged = plain(loaded).model
        assert (after - before).abs().max() > 0.1
        torch.testing.assert_close(next_tokens(merged, batch).logits, after, rtol=1e-3, atol=1e-4)
    fresh = load_model(loaded.source).model.state_dict()
    assert merged.state_dict().keys() == fresh.keys()
    base = loaded.model.model.audio_tower.conv1.weight
    assert merged.model.audio_tower.conv1.weight.data_ptr() == base.data_ptr()


def test_the_teacher_shares_what_does_not_learn(loaded: LoadedModel) -> None:
    adapt(loaded, Adaptation(**LORA), seed=1)
    teacher = make_teacher(loaded.model)
    own = {name for name, one in teacher.named_parameters() if one is not loaded.model.get_parameter(name)}
    assert own == set(learned(loaded.model))
    assert learned(teacher) == []


def test_clips_of_different_windows_are_heard_as_if_alone(loaded: LoadedModel) -> None:
    batch = _spoken(loaded)
    with torch.no_grad():
        together = next_tokens(loaded.model, batch)
        for number, one in enumerate(batch):
            alone = next_tokens(loaded.model, [one])
            torch.testing.assert_close(together.logits[together.clips == number], alone.logits)
            assert together.labels[together.clips == number].tolist() == list(one.answer)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_stopped_run_with_adapters_and_kept_encodings_ends_in_the_same_weights(
    tmp_path: Path, make_job: Callable, one_word_model: Path, precision: str
) -> None:
    overrides = FEW | {"adaptation": LORA | {"gradient_checkpointing": True}, "augmentation": STILL}
    base = tmp_path / "base"
    model = load_model(str(one_word_model))
    if precision == "bfloat16":
        model.model.to(torch.bfloat16)
    save_model(model, base)
    for name in ("whole", "stopped"):
        job = {
            "base_model": str(base),
            "precision": precision,
            "audio_cache_mb": 64 if name == "whole" else 0,
        }
        make_job(tmp_path / name, overrides=overrides, **job)
    train(tmp_path / "whole", stopping=lambda: False)
    stops = 0
    while not (tmp_path / "stopped" / "model").exists():
        asked = iter([False] * (5 + stops))
        try:
            train(tmp_path / "stopped", stopping=lambda asked=asked: next(asked, True))
        except Interrupted:
            stops += 1
    assert stops >= 1
    assert weight_bytes(tmp_path / "stopped") == weight_bytes(tmp_path / "whole")
    trained, before = (load_model(str(f)).model.state_dict() for f in (tmp_path / "whole" / "model", base))
    assert trained.keys() == before.keys()
    assert torch.equal(trained["model.audio_tower.conv1.weight"], before["model.audio_tower.conv1.weight"])
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(trained[name], before[name])
    assert trained[name].dtype == before[name].dtype
    learnt = [m.values for m in read_metrics(tmp_path / "whole")[0] if "pseudo_loss" in m.values]
    assert learnt[-1]["consistency_loss"] > 0


def test_a_trained_model_writes_the_same_in_the_plain_call_and_in_the_engine(
    tmp_path: Path, make_job: Callable
) -> None:
    make_job(tmp_path, overrides=FEW | {"adaptation": LORA, "learning_rate": 5e-3}, dev=[])
    train(tmp_path, stopping=lambda: False)
    folder = tmp_path / "model"
    clips = [sound(0.5 + 0.1 * i, 250.0 + 60 * i) for i in range(4)]
    heard = GlmAsrEngine(load_model(str(folder))).hear(clips)
    processor = GlmAsrProcessor.from_pretrained(folder)
    model = GlmAsrForConditionalGeneration.from_pretrained(folder)
    step = round(json.loads((folder / "earmark.json").read_text())["window_step"] * 16_000)
    written = []
    for clip in clips:
        inputs = processor.apply_transcription_request(
            clip, audio_kwargs={"padding": "max_length", "max_length": -(-len(clip) // step) * step}
        )
        output = model.generate(**inputs, do_sample=False, max_new_tokens=20)
        new = output[:, inputs["input_ids"].shape[1] :]
        written += processor.batch_decode(new, skip_special_tokens=True)
    assert written == [one.text for one in heard]
    assert all(written)
