"""Times for any text: runs a loaded model's encoder over clips and aligns a text with each."""

from collections.abc import Sequence

import numpy as np
import torch

from earmark.speech.aligner import Aligner, Alignment
from earmark.speech.errors import EarmarkError
from earmark.speech.examples import check_clip, window_samples
from earmark.speech.features import LogMelMaker
from earmark.speech.hearing import encoded_frames
from earmark.speech.model_folder import LoadedModel
from earmark.speech.runner import Runner

__all__ = ["Aligner", "Alignment", "align_text", "encode_clips", "require_aligner"]

_AT_ONCE = 64
"""Clips whose spectra are held at a time."""


def align_text(loaded: LoadedModel, waveforms: Sequence[np.ndarray], texts: Sequence[str]) -> list[Alignment]:
    """Where each text is in its clip. Waveforms: mono float32 [n] at 16 kHz, 0.1 to 30 s, one text for each.

    Raises EarmarkError `speech:align:missing` where the model has no aligner, `speech:align:unpaired`, and
    `speech:clip:*` for a clip no model can hear.
    """
    aligner = require_aligner(loaded)
    if len(waveforms) != len(texts):
        raise EarmarkError(
            "speech:align:unpaired",
            f"{len(waveforms)} clips and {len(texts)} texts are not pairs.",
            "Give one text per clip.",
        )
    found: list[Alignment] = []
    for start in range(0, len(waveforms), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        found += aligner.align_batch(encode_clips(loaded, waveforms[some]), texts[some])
    return found


def require_aligner(loaded: LoadedModel) -> Aligner:
    """The model's aligner. Raises EarmarkError `speech:align:missing`."""
    if loaded.aligner is None:
        raise EarmarkError(
            "speech:align:missing",
            f"The model {loaded.source!r} has no aligner, so nobody can say when its words were spoken.",
            "Train one with earmark.speech.aligner_training, or choose a model that has one.",
        )
    return loaded.aligner


@torch.inference_mode()
def encode_clips(loaded: LoadedModel, waveforms: Sequence[np.ndarray]) -> list[torch.Tensor]:
    """What an aligner listens to: the encoder's output [T, H] over each clip's own frames, 50 a second."""
    for waveform in waveforms:
        check_clip(waveform)
    spectrum = LogMelMaker(loaded.processor.feature_extractor)
    spectra = [spectrum(waveform, window_samples(loaded, len(waveform))) for waveform in waveforms]
    return encoded_frames(Runner(loaded), spectra)
