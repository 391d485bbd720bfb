"""The small network that says of every frame of an encoder which character is being spoken, and its file.

A frame is 20 ms of the encoder's output beside the two log-mel frames it was made of; one convolution over a few
neighbours and one layer on top give log-probabilities of the characters the head knows and of `no speech`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from earmark.speech.errors import EarmarkError

HEAD_NAME = "aligner.safetensors"
FORMAT = 1
FRAMES_PER_SECOND = 50
SILENCE = 0
"""The class of frames in which nothing is said; character i of the vocabulary is class i + 1."""


@dataclass(frozen=True)
class HeadShape:
    """`encoder` and `mels`: widths of a frame's two halves; `hidden` of the layer between; `context` frames seen."""

    encoder: int
    mels: int
    hidden: int = 128
    context: int = 5

    @property
    def inputs(self) -> int:
        """Numbers in a frame: the encoder's and those of two log-mel frames."""
        return self.encoder + 2 * self.mels


class AlignerHead(nn.Module):
    """See the module. `vocabulary`: characters of classes 1, 2, ...; `log_prior` [classes] of the frames trained on."""

    mean: torch.Tensor
    scale: torch.Tensor
    log_prior: torch.Tensor

    def __init__(self, shape: HeadShape, vocabulary: str) -> None:
        super().__init__()
        self.shape = shape
        self.vocabulary = vocabulary
        classes = len(vocabulary) + 1
        self.near = nn.Conv1d(shape.inputs, shape.hidden, shape.context, padding=shape.context // 2)
        self.out = nn.Linear(shape.hidden, classes)
        self.register_buffer("mean", torch.zeros(shape.inputs))
        self.register_buffer("scale", torch.ones(shape.inputs))
        self.register_buffer("log_prior", torch.full((classes,), -float(np.log(classes))))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [B, T, classes] of frames [B, T, inputs]; frames of padding must be the `mean`."""
        standard = (frames - self.mean) * self.scale
        seen = nn.functional.gelu(self.near(standard.transpose(1, 2)))
        logits: torch.Tensor = self.out(seen.transpose(1, 2))
        return logits.log_softmax(-1)


def joined_frames(encoded: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Frames [T, H + 2 x mels] in float32 of the encoder's output [T, H] and log-mel features [mels, 2T or more]."""
    count = encoded.shape[0]
    mel = features[:, : 2 * count].float().T.reshape(count, -1)
    return torch.cat([encoded.float(), mel], dim=1)


def save_head(head: AlignerHead, folder: Path) -> None:
    """Write the head beside a model's weights as `aligner.safetensors`."""
    shape = head.shape
    about = {
        "format": str(FORMAT),
        "encoder": str(shape.encoder),
        "mels": str(shape.mels),
        "hidden": str(shape.hidden),
        "context": str(shape.context),
        "frames_per_second": str(FRAMES_PER_SECOND),
        "vocabulary": json.dumps(head.vocabulary, ensure_ascii=False),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in head.state_dict().items()}
    save_file(tensors, folder / HEAD_NAME, metadata=about)


def load_head(folder: Path) -> AlignerHead | None:
    """The head beside a model's weights, in evaluation mode on the CPU; None where there is none.

    Raises EarmarkError `recognition:model:aligner` where the file is damaged or of a format that is not read here.
    """
    path = folder / HEAD_NAME
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if about.get("format") != str(FORMAT):
                raise _unusable(path, f"it has format {about.get('format')!r}, not {FORMAT}")
        tensors = load_file(path)
        shape = HeadShape(**{name: int(about[name]) for name in ("encoder", "mels", "hidden", "context")})
        head = AlignerHead(shape, json.loads(about["vocabulary"]))
        head.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise _unusable(path, str(error)) from error
    return head.eval()


def check_fits(head: AlignerHead, *, encoder: int, mels: int, folder: Path) -> None:
    """Raises EarmarkError `recognition:model:aligner` unless the head reads frames of that encoder."""
    if (head.shape.encoder, head.shape.mels) != (encoder, mels):
        raise _unusable(
            folder / HEAD_NAME,
            f"it reads encoders {head.shape.encoder} wide over {head.shape.mels} mel bands, "
            f"and this model's is {encoder} wide over {mels}",
        )


def _unusable(path: Path, reason: str) -> EarmarkError:
    return EarmarkError(
        "recognition:model:aligner",
        f"The aligner {path} cannot be used: {reason}.",
        "Put back the file the model was saved with, or train the aligner again.",
    )
