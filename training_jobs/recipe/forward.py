"""The model's pass over a batch in training: every clip in its own window, logits only where a token is to be learned.

Padding changes what the encoder hears, so clips of one window are encoded together and no clip is padded for another's
sake: what is learned from a clip does not depend on the clips it came with. Texts are padded behind, where a causal
model does not look, so no mask is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from earmark.speech.features import FRAMES_PER_TOKEN, LogMel
from earmark.speech.prompting import Request

Sound = LogMel | torch.Tensor
"""A clip's spectrum in its window, or what the encoder made of it: [4 audio tokens, H]."""

_FRAMES_PER_TOKEN = FRAMES_PER_TOKEN // 2


@dataclass(frozen=True)
class Spoken:
    """A clip and the tokens that are to follow it, its end token included."""

    sound: Sound
    request: Request
    answer: tuple[int, ...]

    @property
    def audio_tokens(self) -> int:
        """How many tokens of the prompt the audio fills."""
        sound = self.sound
        return sound.tokens if isinstance(sound, LogMel) else len(sound) // _FRAMES_PER_TOKEN


@dataclass(frozen=True)
class NextTokens:
    """Every token a batch is to learn, clip by clip: `logits` [tokens, vocabulary], `labels` and `clips` [tokens]."""

    logits: torch.Tensor
    labels: torch.Tensor
    clips: torch.Tensor


def next_tokens(model: Any, batch: Sequence[Spoken], *, encoder_learns: bool = True) -> NextTokens:
    """What the model expects at every token of the answers. No gradient is kept in an encoder that does not learn."""
    device = model.device
    sounds = [one.sound for one in batch]
    with torch.set_grad_enabled(torch.is_grad_enabled() and encoder_learns):
        encoded = _encode(model.model.audio_tower, sounds, device)
    width = model.config.audio_config.intermediate_size
    audio = model.model.multi_modal_projector(torch.cat(encoded).reshape(-1, width))
    ids, heard, asked = _places(batch)
    embedded = model.get_input_embeddings()(ids.to(device))
    embedded = embedded.index_put(tuple(heard.to(device)), audio.to(embedded.dtype))
    hidden = model.model.language_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
    clips, positions = asked.to(device)
    labels = torch.tensor([token for one in batch for token in one.answer], device=device)
    return NextTokens(model.lm_head(hidden[clips, positions]), labels, clips)


def _encode(tower: Any, sounds: Sequence[Sound], device: torch.device) -> list[torch.Tensor]:
    """The encoder's output over each clip's audio tokens [4 tokens, H]; clips of one window at a time."""
    found: dict[int, torch.Tensor] = {}
    windows: dict[int, list[tuple[int, LogMel]]] = {}
    for place, sound in enumerate(sounds):
        if isinstance(sound, LogMel):
            windows.setdefault(sound.frames, []).append((place, sound))
        else:
            found[place] = sound.to(device)
    dtype = tower.conv1.weight.dtype
    for group in windows.values():
        features = torch.stack([spectrum.padded() for _, spectrum in group]).to(device, dtype)
        output = tower(features).last_hidden_state
        for (place, spectrum), frames in zip(group, output, strict=True):
            found[place] = frames[: spectrum.tokens * _FRAMES_PER_TOKEN]
    return [found[place] for place in range(len(sounds))]


def _places(batch: Sequence[Spoken]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids [B, L] with zeros for audio and padding; rows and columns [2, n] of the audio tokens, and of the
    places whose next token is learned.
    """
    starts = [len(one.request.before) for one in batch]
    answers = [
        start + one.audio_tokens + len(one.request.behind) for start, one in zip(starts, batch, strict=True)
    ]
    longest = max(first + len(one.answer) for first, one in zip(answers, batch, strict=True))
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    heard: list[tuple[int, int]] = []
    asked: list[tuple[int, int]] = []
    for row, (one, start, first) in enumerate(zip(batch, starts, answers, strict=True)):
        behind = start + one.audio_tokens
        ids[row, :start] = torch.tensor(one.request.before)
        ids[row, behind : first + len(one.answer)] = torch.tensor((*one.request.behind, *one.answer))
        heard += [(row, column) for column in range(start, behind)]
        asked += [(row, column) for column in range(first - 1, first - 1 + len(one.answer))]
    return ids, torch.tensor(heard).T, torch.tensor(asked).T
