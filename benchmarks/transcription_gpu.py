"""How fast a model of the real size hears on a GPU: `python -m benchmarks.transcription_gpu [--quick]`.

Random weights, windows of 30 s, three tokens forced for every second of audio. Against transformers' `generate` at a
batch of 64 in the same run. Without CUDA the same code runs on the CPU at a reduced size, and nothing is claimed of a
GPU.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from transformers import (
    GlmAsrConfig,
    GlmAsrForConditionalGeneration,
    GlmAsrProcessor,
    WhisperFeatureExtractor,
)
from transformers.utils import logging as transformers_logging

from benchmarks.reporting import Report, arguments, publish
from earmark.speech import glm
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.examples import model_inputs
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import LoadedModel, Manifest
from earmark.speech.tiny_model import CHAT_TEMPLATE, PROMPT, tiny_tokenizer

SEED = 11
SECONDS = 30.0
TOKENS_PER_SECOND = 3
NOT_MEASURED = "not measured"
H200_FLOPS = 790e12
"""Of dense bfloat16 products, as reached in practice on an H200."""

PAGE = """
{parameters:.3f} billion parameters with random weights, built on the meta device and filled on {device}; clips of 30 s
of noise; every clip writes {tokens} tokens, three for each second, on both sides. Time is features, generation and the
tokens turned back into text; loading and warm-up are left out, medians of {runs} runs.

- **`rtfx`** (goal 3,000): seconds of audio heard in a second, at the best of the sizes in `rtfx_by_slots`.
- **`ratio_to_generate`** (goal 5): over transformers' `generate`, batch 64, the processor before and `batch_decode`
  behind it, the same model in the same run.
- **`share_of_limit`**: of what {tflop:.2f} TFLOP a clip would allow at 790 TFLOP/s, an H200's dense bfloat16 products.
- `memory_gib`: the most that was allocated on the device.

{note}
"""
NO_GPU = """**The rows of the GPU say `not measured`: there was none on this machine.** The rows `reduced_*` are the
same code on the CPU with a model of {reduced:.1f} million parameters: they show that it runs and writes what it should,
and say nothing about a GPU. The captured graph and the bfloat16 kernels were never run by us."""


@dataclass(frozen=True)
class Scale:
    """How large the model and the run are."""

    config: GlmAsrConfig
    clips: int
    slots: Sequence[int]
    batch: int
    runs: int


def main() -> None:
    quick = arguments(__doc__ or "").quick
    transformers_logging.set_verbosity_error()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    scale = _real(quick=quick) if device.type == "cuda" else _reduced(quick=quick)
    loaded = random_model(scale.config, device)
    clips = _noise(scale.clips)
    by_slots = {slots: _ours(loaded, clips, slots, runs=scale.runs) for slots in scale.slots}
    generate = _library(loaded, clips, scale.batch, runs=scale.runs)
    publish(_report(loaded, scale, by_slots, generate), quick=quick)


def real_config() -> GlmAsrConfig:
    """The published model's size: 2.136 billion parameters."""
    return _config(audio=(1280, 32, 20, 128), text=(2048, 6144, 28, 16, 4), vocabulary=59_264)


def _real(*, quick: bool) -> Scale:
    clips, slots = (128, (64, 128)) if quick else (1_024, (64, 128, 256))
    return Scale(real_config(), clips, slots, batch=64, runs=1 if quick else 3)


def _reduced(*, quick: bool) -> Scale:
    config = _config(audio=(128, 2, 4, 80), text=(128, 384, 2, 4, 2), vocabulary=2_000)
    return Scale(config, 4 if quick else 16, (2, 4) if quick else (4, 8), batch=2 if quick else 4, runs=1)


def _config(
    *, audio: tuple[int, int, int, int], text: tuple[int, int, int, int, int], vocabulary: int
) -> GlmAsrConfig:
    width, layers, heads, mels = audio
    hidden, inner, depth, queries, keys = text
    ids = tiny_tokenizer("").get_vocab()
    return GlmAsrConfig(
        audio_config={
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_mel_bins": mels,
            "max_position_embeddings": 1500,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": vocabulary,
            "hidden_size": hidden,
            "intermediate_size": inner,
            "num_hidden_layers": depth,
            "num_attention_heads": queries,
            "num_key_value_heads": keys,
            "max_position_embeddings": 8192,
            "eos_token_id": [vocabulary - 1],
            "pad_token_id": 0,
            "bos_token_id": None,
            "tie_word_embeddings": True,
        },
        audio_token_id=ids["<|pad|>"],
    )


def random_model(config: GlmAsrConfig, device: torch.device) -> LoadedModel:
    """A model of that size with random weights: bfloat16 on a GPU, float32 on a CPU."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with torch.device("meta"):
        model: Any = GlmAsrForConditionalGeneration(config)
    model = model.to(dtype).to_empty(device=device)
    model.tie_weights()
    torch.manual_seed(SEED)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 1:
                weight.fill_(0.0 if name.endswith("bias") else 1.0)
            else:
                weight.normal_(0.0, 0.02)
    for module in model.modules():
        if hasattr(module, "compute_default_rope_parameters"):
            frequencies, _ = module.compute_default_rope_parameters(module.config)
            module.inv_freq = module.original_inv_freq = frequencies.to(device)
    processor = GlmAsrProcessor(
        WhisperFeatureExtractor(feature_size=config.audio_config.num_mel_bins),
        tiny_tokenizer(""),
        chat_template=CHAT_TEMPLATE,
        default_transcription_prompt=PROMPT,
    )
    model.generation_config.eos_token_id = config.text_config.eos_token_id
    model.generation_config.pad_token_id = 0
    manifest = Manifest(window="fixed", max_new_tokens_per_second=TOKENS_PER_SECOND)
    return LoadedModel(model.eval(), processor, manifest, "random")


class ForcedEngine(GlmAsrEngine):
    """Writes three tokens for every second, no more; that it writes no fewer is checked."""

    def token_cap(self, sample_count: int) -> int:
        """Exactly three for each second."""
        return round(sample_count / SAMPLE_RATE * TOKENS_PER_SECOND)


def _noise(clips: int) -> list[np.ndarray]:
    random = np.random.default_rng(SEED)
    return [
        (random.standard_normal(round(SECONDS * SAMPLE_RATE)) * 0.05).astype(np.float32) for _ in range(clips)
    ]


def _ours(loaded: LoadedModel, clips: Sequence[np.ndarray], slots: int, *, runs: int) -> float:
    """Seconds of audio heard in a second with so many slots."""
    name = "_CPU" if loaded.device.type == "cpu" else "_ACCELERATOR"
    with patch.object(glm, name, replace(getattr(glm, name), slots=slots)):
        engine = ForcedEngine(loaded)
        engine.hear(clips[: min(slots, len(clips))])
        took = _median(lambda: _checked(engine, clips), loaded.device, runs)
    found = len(clips) * SECONDS / took
    print(f"{slots} slots: {found:.1f} x real time", flush=True)
    return found


def _checked(engine: ForcedEngine, clips: Sequence[np.ndarray]) -> None:
    wanted = engine.token_cap(len(clips[0]))
    written = {len(heard.tokens) for heard in engine.hear(clips)}
    if written != {wanted}:
        raise AssertionError(f"clips were to write {wanted} tokens each and wrote {sorted(written)}")


def _library(loaded: LoadedModel, clips: Sequence[np.ndarray], batch: int, *, runs: int) -> float:
    """Seconds of audio heard in a second by `generate`."""
    tokens = round(SECONDS * TOKENS_PER_SECOND)
    some = clips[: 4 * batch]

    def hear() -> None:
        for start in range(0, len(some), batch):
            inputs = model_inputs(loaded, some[start : start + batch])
            with torch.inference_mode():
                ids = loaded.model.generate(
                    **inputs, do_sample=False, min_new_tokens=tokens, max_new_tokens=tokens
                )
            written = ids[:, inputs["input_ids"].shape[1] :]
            loaded.processor.batch_decode(written, skip_special_tokens=True)

    hear()
    found = len(some) * SECONDS / _median(hear, loaded.device, runs)
    print(f"generate: {found:.1f} x real time", flush=True)
    return found


def _median(work: Callable[[], None], device: torch.device, runs: int) -> float:
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def clip_flop(config: GlmAsrConfig, *, prompt: int = 386, written: int = 90) -> float:
    """Operations for a clip of 30 s: products of the encoder, the projector, the prompt and the steps.

    Two for every weight and place it is used at, and attention's two products.
    """
    audio, text = config.audio_config, config.text_config
    width, frames = audio.hidden_size, 1500
    convolutions = 3 * audio.num_mel_bins * width * 2 * frames + 3 * width * width * frames
    encoder_layer = frames * (4 * width**2 + 2 * width * audio.intermediate_size) + 2 * frames**2 * width
    encoder = convolutions + audio.num_hidden_layers * encoder_layer
    projector = frames // 4 * (audio.intermediate_size * 2 * text.hidden_size + 2 * text.hidden_size**2)
    head = text.hidden_size // text.num_attention_heads
    keys = 2 * text.num_key_value_heads * head
    layer = text.hidden_size * (2 * text.hidden_size + keys + 3 * text.intermediate_size)
    places = prompt + written - 1
    read = text.num_hidden_layers * (layer * places + places**2 * text.hidden_size)
    return float(2 * (encoder + projector + read + written * text.hidden_size * text.vocab_size))


def _report(loaded: LoadedModel, scale: Scale, by_slots: dict[int, float], generate: float) -> Report:
    on_gpu = loaded.device.type == "cuda"
    parameters = sum(weight.numel() for weight in loaded.model.parameters())
    best = max(by_slots.values())
    flop = clip_flop(real_config())
    measured: dict[str, Any] = {
        "rtfx": best,
        "ratio_to_generate": best / generate,
        "rtfx_by_slots": {str(slots): rtfx for slots, rtfx in by_slots.items()},
    }
    figures: dict[str, Any]
    if on_gpu:
        figures = {
            **measured,
            "share_of_limit": best / (SECONDS * H200_FLOPS / flop),
            "memory_gib": torch.cuda.max_memory_allocated() / 2**30,
            "gpu": torch.cuda.get_device_name(),
        }
        baseline: dict[str, Any] = {"rtfx": generate}
    else:
        figures = dict.fromkeys(("rtfx", "ratio_to_generate", "share_of_limit", "memory_gib"), NOT_MEASURED)
        figures |= {f"reduced_{name}": value for name, value in measured.items()}
        baseline = {"reduced_rtfx": generate}
    figures["tflop_per_clip"] = flop / 1e12
    page = PAGE.format(
        parameters=(parameters if on_gpu else 2_136_000_000) / 1e9,
        device="the GPU" if on_gpu else "a GPU",
        tokens=round(SECONDS * TOKENS_PER_SECOND),
        runs=scale.runs,
        tflop=flop / 1e12,
        note="" if on_gpu else NO_GPU.format(reduced=parameters / 1e6),
    )
    return Report("transcription_gpu", figures, baseline, seeds=[SEED], page=page)


if __name__ == "__main__":
    main()
