"""From spectra to what the language model reads: the encoder by windows, the projector, the prompt around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from earmark.speech.encoder import encode, project
from earmark.speech.features import FRAMES_PER_TOKEN, LogMel
from earmark.speech.model_folder import LoadedModel
from earmark.speech.prompting import Request

_CPU_FRAMES = 2_000
_ACCELERATOR_FRAMES = 96_000
"""Frames of output the encoder works on at a time, all windows of a batch together."""


@dataclass(frozen=True)
class Clip:
    """One clip to hear: its samples, the samples of its window, the request put to the model, its token cap."""

    samples: np.ndarray
    window: int
    request: Request
    cap: int

    def places(self, hop: int) -> int:
        """Tokens of its prompt and of the longest answer."""
        audio = -(-len(self.samples) // (hop * FRAMES_PER_TOKEN))
        return len(self.request.before) + audio + len(self.request.behind) + self.cap


def encoded_frames(loaded: LoadedModel, spectra: Sequence[LogMel]) -> list[torch.Tensor]:
    """The encoder's output [encoded, H] over each clip's own frames; clips of one window share the work."""
    tower, device = loaded.model.model.audio_tower, loaded.device
    most = _CPU_FRAMES if device.type == "cpu" else _ACCELERATOR_FRAMES
    by_window: dict[int, list[int]] = {}
    for index, spectrum in enumerate(spectra):
        by_window.setdefault(spectrum.frames, []).append(index)
    found: dict[int, torch.Tensor] = {}
    for frames, members in by_window.items():
        size = max(1, most // (frames // 2))
        for start in range(0, len(members), size):
            group = members[start : start + size]
            heard = encode(tower, [spectra[i] for i in group], device=device)
            found.update(zip(group, heard, strict=True))
    return [found[i] for i in range(len(spectra))]


def prompts(
    loaded: LoadedModel,
    requests: Sequence[Request],
    spectra: Sequence[LogMel],
    encoded: Sequence[torch.Tensor],
) -> list[torch.Tensor]:
    """What the language model reads for each clip [P, H]: the request with the clip's audio tokens in it."""
    merged = FRAMES_PER_TOKEN // 2
    tokens = [spectrum.tokens for spectrum in spectra]
    own = [each[: merged * count] for each, count in zip(encoded, tokens, strict=True)]
    audio = project(loaded.model.model, torch.cat(own)).split(tokens)
    around = {each: _embedded(loaded, each) for each in set(requests)}
    return [
        torch.cat((around[each][0], part, around[each][1]))
        for each, part in zip(requests, audio, strict=True)
    ]


def _embedded(loaded: LoadedModel, request: Request) -> list[torch.Tensor]:
    table = loaded.model.get_input_embeddings()
    return [table(torch.tensor(ids, dtype=torch.long, device=loaded.device)) for ids in request]
