"""How much of a GPU's arithmetic a training step at the real model's size uses, with random weights."""

import time
from dataclasses import replace

import numpy as np
import torch
from transformers import (
    GlmAsrConfig,
    GlmAsrForConditionalGeneration,
    GlmAsrProcessor,
    WhisperFeatureExtractor,
)

from earmark.speech.model_folder import LoadedModel, Manifest
from earmark.speech.tiny_model import CHAT_TEMPLATE, PROMPT, untrained_tiny_model
from training_jobs.recipe.adapters import adapt
from training_jobs.recipe.gradient_guard import GradientGuard
from training_jobs.recipe.learning_examples import Example, ExampleMaker
from training_jobs.recipe.mean_teacher import make_teacher, update_teacher
from training_jobs.recipe.recipes import Augmentation, Recipe
from training_jobs.recipe.steps import Learner, optimiser_step

_CLIPS = 16
_SECONDS = 30.0
_TEXT = "x" * 120
_STEPS = 10
_PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}
"""Dense bf16 operations a second by the makers' data sheets."""


def model_flop_utilisation() -> float | None:
    """The share in 0..1, None where there is no GPU whose peak is known. Operations are counted as 6 for each weight of
    a layer and place it sees, and 12 x width x places for attention (Chowdhery et al. 2022, appendix B).
    """
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    peak = next((peak for key, peak in _PEAKS.items() if key in name), None)
    if peak is None:
        return None
    student = _random_model()
    recipe = Recipe(batch_size=_CLIPS, micro_batch_size=_CLIPS)
    adapt(student, recipe.adaptation, seed=0)
    teacher = replace(student, model=make_teacher(student.model))
    optimiser = torch.optim.AdamW(student.model.parameters(), lr=1e-5, fused=True)
    learner = Learner(student, teacher, optimiser, GradientGuard(0.0), recipe, "bfloat16")
    examples = _examples(student)
    for step in range(3 + _STEPS):
        if step == 3:
            torch.cuda.synchronize()
            began = time.perf_counter()
        optimiser_step(
            learner, real=examples, pseudo=[], replay=[], learning_rate=1e-5, consistency_weight=0.0
        )
        update_teacher(teacher.model, student.model, 0.999)
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - began) / _STEPS
    return _operations(student.model.config, examples) / seconds / peak


def _random_model() -> LoadedModel:
    tokenizer = untrained_tiny_model("", seed=0, hidden=32, layers=1).tokenizer
    processor = GlmAsrProcessor(
        WhisperFeatureExtractor(feature_size=128),
        tokenizer,
        chat_template=CHAT_TEMPLATE,
        default_transcription_prompt=PROMPT,
    )
    with torch.device("cuda"):
        model = GlmAsrForConditionalGeneration(GlmAsrConfig(tie_word_embeddings=True))
    model.generation_config.eos_token_id = list(model.config.text_config.eos_token_id)
    return LoadedModel(model.train(), processor, Manifest(), "random")


def _examples(loaded: LoadedModel) -> list[Example]:
    rng = np.random.default_rng(0)
    make = ExampleMaker(loaded, Augmentation())
    samples = (0.1 * rng.standard_normal(round(_SECONDS * 16_000))).astype(np.float32)
    return [make(samples, _TEXT, rng=rng) for _ in range(_CLIPS)]


def _operations(config: GlmAsrConfig, examples: list[Example]) -> float:
    heard = examples[0].heard
    frames = 1_500
    tokens = len(heard.request.before) + heard.audio_tokens + len(heard.request.behind) + len(heard.answer)
    audio, text = config.audio_config, config.text_config
    encoder = audio.num_hidden_layers * (
        4 * audio.hidden_size**2 + 2 * audio.hidden_size * audio.intermediate_size
    )
    keys = text.num_key_value_heads / text.num_attention_heads
    decoder = text.num_hidden_layers * (
        text.hidden_size**2 * (2 + 2 * keys) + 3 * text.hidden_size * text.intermediate_size
    )
    head = text.hidden_size * text.vocab_size
    linear = 6 * (encoder * frames + decoder * tokens + head * len(heard.answer))
    attention = 12 * (
        audio.num_hidden_layers * audio.hidden_size * frames**2
        + text.num_hidden_layers * text.hidden_size * tokens**2 / 2
    )
    return float(len(examples) * (linear + attention))
