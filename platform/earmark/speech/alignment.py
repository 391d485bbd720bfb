"""Times for any text: runs a loaded model's encoder over clips and aligns a text with each."""

from collections.abc import Sequence

import numpy as np
import torch

from earmark.speech.aligner import Aligner, Alignment
from earmark.speech.aligner_head import joined_frames
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.batching import length_sorted_batches
from earmark.speech.errors import EarmarkError
from earmark.speech.examples import model_inputs, window_samples
from earmark.speech.model_folder import LoadedModel

__all__ = ["Aligner", "Alignment", "align_text", "clip_frames"]

_BATCH_SECONDS = 60.0
_SAMPLES_PER_FRAME = 320


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
    return aligner.align_frames(clip_frames(loaded, waveforms), texts)


def require_aligner(loaded: LoadedModel) -> Aligner:
    """The model's aligner. Raises EarmarkError `speech:align:missing`."""
    if loaded.aligner is None:
        raise EarmarkError(
            "speech:align:missing",
            f"The model {loaded.source!r} has no aligner, so its words have no times.",
            "Train one with earmark.speech.aligner_training, or choose a model that has one.",
        )
    return loaded.aligner


@torch.inference_mode()
def clip_frames(loaded: LoadedModel, waveforms: Sequence[np.ndarray]) -> list[torch.Tensor]:
    """What an aligner listens to: float32 [T, inputs] of each clip, its own frames only, 50 a second.

    Clips are grouped by window, so what is heard in one does not depend on the others.
    """
    found: dict[int, torch.Tensor] = {}
    windows = [window_samples(loaded, len(waveform)) for waveform in waveforms]
    for window in sorted(set(windows)):
        members = [i for i, each in enumerate(windows) if each == window]
        seconds = [window / SAMPLE_RATE] * len(members)
        for places in length_sorted_batches(seconds, _BATCH_SECONDS):
            group = [members[place] for place in places]
            features = model_inputs(loaded, [waveforms[i] for i in group])["input_features"]
            encoded = loaded.model.model.audio_tower(features).last_hidden_state
            for row, i in enumerate(group):
                count = own_frames(len(waveforms[i]))
                found[i] = joined_frames(encoded[row, :count], features[row])
    return [found[i] for i in range(len(waveforms))]


def own_frames(sample_count: int) -> int:
    """Encoder frames that lie within a clip of `sample_count` samples."""
    return -(-sample_count // _SAMPLES_PER_FRAME)
