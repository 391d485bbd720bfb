"""From waveforms and texts to the tensors the model eats, by the model's own window policy.

The library's `output_labels=True` keeps the prompt in the loss and drops the end token where it equals the
padding token, so labels are built here.
"""

from collections.abc import Sequence

import numpy as np
import torch

from earmark.speech.audio import MAX_CLIP_SECONDS, MIN_CLIP_SECONDS, SAMPLE_RATE
from earmark.speech.errors import EarmarkError
from earmark.speech.model_folder import LoadedModel

IGNORED_LABEL = -100
_SAMPLES_PER_AUDIO_TOKEN = 1280
"""Frames of 160 samples, halved by the convolutions, four merged: padding must be a multiple of this."""


def window_samples(loaded: LoadedModel, sample_count: int) -> int:
    """Samples the model sees for a clip of `sample_count` samples once padded by its window policy.

    A whole number of audio tokens. It depends on the clip alone, so clips of one window can share a batch
    without changing each other's features.
    """
    if loaded.manifest.window == "fixed":
        return int(loaded.processor.feature_extractor.n_samples)
    step_tokens = max(1, round(loaded.manifest.window_step * SAMPLE_RATE / _SAMPLES_PER_AUDIO_TOKEN))
    step = step_tokens * _SAMPLES_PER_AUDIO_TOKEN
    longest = int(loaded.processor.feature_extractor.n_samples)
    return min(max(1, -(-sample_count // step)) * step, longest)


def model_inputs(loaded: LoadedModel, waveforms: Sequence[np.ndarray]) -> dict[str, torch.Tensor]:
    """Tensors ready for `generate`, on the model's device.

    `waveforms`: float32 [n] mono at 16 kHz, 0.1 to 30 s each. Every clip is padded to the widest window
    among them. Gives `input_ids`, `attention_mask` [B, L] (padded on the left), `input_features` [B, mels,
    F] and `input_features_mask` [B, F]. Raises EarmarkError `speech:clip:*`, see `check_clip`.
    """
    for waveform in waveforms:
        check_clip(waveform)
    processor, prompt = loaded.processor, loaded.manifest.prompt
    audio = [np.ascontiguousarray(waveform, dtype=np.float32) for waveform in waveforms]
    texts = processor.apply_transcription_request(audio, prompt=prompt, tokenize=False)
    width = max(window_samples(loaded, len(waveform)) for waveform in audio)
    inputs = processor(
        text=texts,
        audio=audio,
        audio_kwargs={"padding": "max_length", "max_length": width, "sampling_rate": SAMPLE_RATE},
    )
    names = ("input_ids", "attention_mask", "input_features", "input_features_mask")
    tensors = {name: inputs[name].to(loaded.device) for name in names}
    tensors["input_features"] = tensors["input_features"].to(loaded.model.dtype)
    return tensors


def training_batch(
    loaded: LoadedModel, waveforms: Sequence[np.ndarray], texts: Sequence[str]
) -> dict[str, torch.Tensor]:
    """`model_inputs` with each text and an end token appended, and `labels` [B, L] for the loss.

    The prompt and the padding carry label -100. Raises as `model_inputs` does.
    """
    inputs = model_inputs(loaded, waveforms)
    end = loaded.end_token_ids[0]
    answers = [[*encode_text(loaded, text), end] for text in texts]
    longest = max(map(len, answers))
    padding = loaded.tokenizer.pad_token_id
    ids = torch.tensor([answer + [padding] * (longest - len(answer)) for answer in answers])
    mask = torch.tensor([[1] * len(answer) + [0] * (longest - len(answer)) for answer in answers])
    labels = ids.masked_fill(mask == 0, IGNORED_LABEL)
    prompt_labels = torch.full(inputs["input_ids"].shape, IGNORED_LABEL)
    device = loaded.device
    return {
        **inputs,
        "input_ids": torch.cat([inputs["input_ids"], ids.to(device)], dim=1),
        "attention_mask": torch.cat([inputs["attention_mask"], mask.to(device)], dim=1),
        "labels": torch.cat([prompt_labels, labels], dim=1).to(device),
    }


def encode_text(loaded: LoadedModel, text: str) -> list[int]:
    """Token ids of a transcript, no special tokens added."""
    ids: list[int] = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def check_clip(waveform: np.ndarray) -> None:
    """Refuse what no model can hear: not mono, shorter than 0.1 s (no audio token), longer than 30 s, not numbers.

    Raises EarmarkError `speech:clip:shape`, `:too_short`, `:too_long` or `:not_finite`.
    """
    if waveform.ndim != 1:
        raise EarmarkError(
            "speech:clip:shape",
            f"A clip has shape {waveform.shape}, not one channel.",
            "Mix it to mono before transcription.",
        )
    seconds = len(waveform) / SAMPLE_RATE
    if seconds < MIN_CLIP_SECONDS:
        raise EarmarkError(
            "speech:clip:too_short",
            f"A clip lasts {seconds:.3f} s; under {MIN_CLIP_SECONDS} s the model hears nothing but writes.",
            "Drop the clip or cut it longer.",
        )
    if seconds > MAX_CLIP_SECONDS:
        raise EarmarkError(
            "speech:clip:too_long",
            f"A clip lasts {seconds:.1f} s; the model hears at most {MAX_CLIP_SECONDS:.0f} s.",
            "Cut the recording into shorter clips.",
        )
    wrong = len(waveform) - int(np.isfinite(waveform).sum())
    if wrong:
        raise EarmarkError(
            "speech:clip:not_finite",
            f"{wrong} of a clip's {len(waveform)} samples are infinite or not a number.",
            "Decode the recording again; what a model would write about it means nothing.",
        )
