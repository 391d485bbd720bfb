"""How much memory a run takes where the model learns, worked out from the model's shape: no weights are loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GlmAsrConfig, GlmAsrForConditionalGeneration

from earmark.speech.errors import EarmarkError
from earmark.speech.model_folder import Manifest, read_manifest
from training_jobs.recipe.recipes import Recipe

_FULL = 4
"""Bytes of a number in float32: weights that learn, their gradients, their averages."""
_ADAM = 8
"""Bytes AdamW keeps of each number that learns: two moments in float32 (Loshchilov and Hutter 2019)."""
_FRAMES_PER_SECOND = 50
_AUDIO_TOKENS_PER_SECOND = 12.5
_PROMPT_TOKENS = 16
_TEXT_TOKENS_PER_SECOND = 6.0
"""Of fast speech: 15 is the most a model may write, 4 are usual."""
_WINDOW_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on the device of one process, at the worst moment of a step. What a framework takes for itself is extra."""

    weights: int
    gradients: int
    optimiser: int
    teacher: int
    activations: int

    @property
    def total(self) -> int:
        """All of it together."""
        return self.weights + self.gradients + self.optimiser + self.teacher + self.activations


@dataclass(frozen=True)
class Learning:
    """Numbers in a model: how many `learn` and how many are `frozen`."""

    learn: int
    frozen: int


def estimate(base_model: str, recipe: Recipe, *, precision: str, longest_seconds: float) -> Memory:
    """What training `base_model` (a folder or hub id) takes on clips of up to `longest_seconds`.

    `precision` is the job's, `float32` or `bfloat16`. What learns is kept in float32 with its gradient, AdamW's two
    moments and the teacher's average; what is frozen once, in the files' own type under `bfloat16`, and the teacher
    shares it. Activations are those of one micro-batch of the longest clips, after Korthikanti et al. (2022) for
    attention that keeps no matrix of scores; under `bfloat16` the passes keep a copy of what learns in that type.
    Raises EarmarkError `recognition:model:unavailable` where the model's configuration cannot be read.
    """
    config, manifest = _shape(base_model)
    counted = count(config, recipe)
    frozen_bytes = frozen_type(config, precision).itemsize
    return Memory(
        weights=counted.learn * _FULL + counted.frozen * frozen_bytes,
        gradients=counted.learn * _FULL,
        optimiser=counted.learn * _ADAM,
        teacher=counted.learn * _FULL,
        activations=_activations(config, recipe, _window(manifest, longest_seconds), precision)
        + (2 * counted.learn if precision == "bfloat16" else 0),
    )


def frozen_type(config: GlmAsrConfig, precision: str) -> torch.dtype:
    """The type frozen weights are held in: float32, or the files' own where the passes are in bfloat16 anyway."""
    own = config.dtype or torch.float32
    return own if precision == "bfloat16" and own == torch.bfloat16 else torch.float32


def count(config: GlmAsrConfig, recipe: Recipe) -> Learning:
    """Numbers of a model of that shape that learn under the recipe, and those that do not."""
    with torch.device("meta"):
        model = GlmAsrForConditionalGeneration(config)
    parts = {"audio_tower": 0, "multi_modal_projector": 0, "language_model": 0}
    adapters = 0
    for name, parameter in model.named_parameters():
        part = next((one for one in parts if one in name), "language_model")
        parts[part] += parameter.numel()
        if part == "language_model" and name.endswith("_proj.weight"):
            adapters += recipe.adaptation.rank * sum(parameter.shape)
    total, adaptation = sum(parts.values()), recipe.adaptation
    learn = parts["language_model"] if adaptation.method == "full" else adapters
    learn += parts["multi_modal_projector"] * adaptation.projector + parts["audio_tower"] * adaptation.encoder
    held = total + (adapters if adaptation.method == "lora" else 0)
    return Learning(learn, held - learn)


def _shape(base_model: str) -> tuple[GlmAsrConfig, Manifest]:
    folder = Path(base_model).expanduser()
    try:
        config = GlmAsrConfig.from_pretrained(folder if folder.is_dir() else base_model)
    except (OSError, ValueError) as error:
        raise EarmarkError(
            "recognition:model:unavailable",
            f"The configuration of the model {base_model!r} cannot be read: {error}.",
            "Name a model folder on this machine, or a hub id this machine can reach.",
        ) from error
    return config, read_manifest(folder) if folder.is_dir() else Manifest()


def _window(manifest: Manifest, seconds: float) -> float:
    return (
        _WINDOW_SECONDS
        if manifest.window == "fixed"
        else min(seconds + manifest.window_step, _WINDOW_SECONDS)
    )


def _activations(config: GlmAsrConfig, recipe: Recipe, window: float, precision: str) -> int:
    """Bytes kept for the backward pass of one micro-batch, and the logits of its texts in float32 three times over."""
    clips = min(recipe.micro_batch_size, recipe.batch_size)
    number = 2 if precision == "bfloat16" else 4
    frames = clips * window * _FRAMES_PER_SECOND
    texts = clips * window * _TEXT_TOKENS_PER_SECOND
    tokens = clips * (window * _AUDIO_TOKENS_PER_SECOND + _PROMPT_TOKENS) + texts
    spared = recipe.adaptation.gradient_checkpointing
    text_config: Any = config.text_config
    heard = _kept(config.audio_config, frames, gates=2, spared=spared, learns=recipe.adaptation.encoder)
    written = _kept(text_config, tokens, gates=4, spared=spared, learns=True)
    logits = 3 * texts * text_config.vocab_size
    return round(number * (heard + written) + 4 * logits)


def _kept(config: Any, places: float, *, gates: int, spared: bool, learns: bool) -> float:
    """Numbers that a stack of layers keeps of `places` frames or tokens; `gates` the kept widths of a feed-forward."""
    heads = config.num_attention_heads + config.num_key_value_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    layer = 6 * config.hidden_size + 2 * heads * head_dim + gates * config.intermediate_size
    if not learns:
        return places * layer
    whole = config.num_hidden_layers
    return places * (layer + whole * config.hidden_size if spared else whole * layer)
