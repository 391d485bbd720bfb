"""What a run takes: counted from the model's shape, equal to what the loaded model has."""

from pathlib import Path

import pytest
from transformers import GlmAsrConfig

from earmark.speech.errors import EarmarkError
from earmark.speech.model_folder import load_model
from training_jobs.recipe.memory import count, estimate
from training_jobs.recipe.recipes import Adaptation, Recipe

GIGABYTE = 1e9


def test_the_whole_model_is_counted(one_word_model: Path) -> None:
    real = sum(p.numel() for p in load_model(str(one_word_model)).model.parameters())
    found = estimate(str(one_word_model), Recipe(), precision="float32", longest_seconds=2.0)
    assert (found.weights, found.gradients, found.optimiser) == (4 * real, 4 * real, 8 * real)
    assert found.teacher == 4 * real
    assert found.total == 20 * real + found.activations


def test_the_published_model_fits_an_80_gb_card_in_full_and_a_24_gb_one_with_adapters(tmp_path: Path) -> None:
    shape = GlmAsrConfig(dtype="bfloat16", tie_word_embeddings=True)
    shape.save_pretrained(tmp_path)
    assert count(shape, Recipe()).learn == 2_136_470_528
    options = {"precision": "bfloat16", "longest_seconds": 30.0}
    full = Recipe(micro_batch_size=4, adaptation=Adaptation(gradient_checkpointing=True))
    lora = Recipe(micro_batch_size=4, adaptation=Adaptation(method="lora", encoder=False))
    assert 42 * GIGABYTE < estimate(str(tmp_path), full, **options).total < 75 * GIGABYTE
    assert 4.2 * GIGABYTE < estimate(str(tmp_path), lora, **options).total < 22 * GIGABYTE


def test_less_takes_less(one_word_model: Path) -> None:
    def activations(**changes: object) -> int:
        recipe = Recipe(**{"micro_batch_size": 8, **changes})  # type: ignore[arg-type]
        return estimate(str(one_word_model), recipe, precision="float32", longest_seconds=9.0).activations

    assert activations(micro_batch_size=4) == pytest.approx(activations() / 2, rel=1e-6)
    assert activations(adaptation=Adaptation(encoder=False)) <= activations()
    assert activations(batch_size=2) < activations()


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EarmarkError, match="nowhere") as caught:
        estimate(str(tmp_path / "nowhere"), Recipe(), precision="float32", longest_seconds=1.0)
    assert caught.value.error_id == "recognition:model:unavailable"
