"""What an aligner has learned: which character a frame of the encoder sounds like, and how long characters last.

One linear layer on the encoder's output, and no more on purpose: given neighbouring frames, a hidden layer or the
mel features as well, training without word times puts the boundaries later (docs/experiments.md).
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from earmark.speech.errors import EarmarkError

HEAD_NAME = "aligner.safetensors"
FORMAT = 1
_HEADER = "earmark"
FRAMES_PER_SECOND = 50
SILENCE = 0
"""The class of frames in which nothing is said; character i of the vocabulary is class i + 1."""


@dataclass(frozen=True)
class AlignerHead:
    """Tensors of float32. `weight` [classes, H] and `bias` [classes]: log-odds of the classes in a frame.

    `log_prior` [classes]: how common each is. `durations` [classes + 2, 2]: mean and standard deviation of the natural
    log of the frames a character lasts; the last two rows are for any letter and for any character that is a syllable
    by itself. `threshold`: the most misfit of a text that is what is said (`earmark.speech.mismatch`), NaN where it
    was never calibrated. `about`: what the head was trained on, for people.
    """

    vocabulary: str
    weight: torch.Tensor
    bias: torch.Tensor
    log_prior: torch.Tensor
    durations: torch.Tensor
    threshold: float = float("nan")
    about: str = ""
    classes: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", {each: i + 1 for i, each in enumerate(self.vocabulary)})

    def log_probabilities(self, encoded: torch.Tensor) -> torch.Tensor:
        """[T, classes] of the encoder's output [T, H]."""
        scores = torch.nn.functional.linear(encoded.float(), self.weight, self.bias)
        return scores.log_softmax(-1)

    def to(self, device: torch.device | str) -> "AlignerHead":
        """The same head with its tensors on `device`."""
        return replace(
            self,
            weight=self.weight.to(device),
            bias=self.bias.to(device),
            log_prior=self.log_prior.to(device),
            durations=self.durations.to(device),
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors by name."""
        return {name: getattr(self, name) for name in ("weight", "bias", "log_prior", "durations")}


def save_head(head: AlignerHead, folder: Path) -> None:
    """Write the head beside a model's weights as `aligner.safetensors`, equal heads as equal bytes.

    What is not a tensor goes into the file's header, as one object: safetensors writes several in any order.
    """
    header = {
        "format": FORMAT,
        "frames_per_second": FRAMES_PER_SECOND,
        "vocabulary": head.vocabulary,
        "threshold": head.threshold,
        "about": head.about,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in head.tensors().items()}
    (folder / HEAD_NAME).write_bytes(save(tensors, metadata={_HEADER: json.dumps(header)}))


def load_head(folder: Path, *, width: int) -> AlignerHead | None:
    """The head beside a model whose encoder is `width` wide, on the CPU; None where there is none.

    Raises EarmarkError `recognition:model:aligner` where the file is damaged, of a format that is not read here, or
    made for another encoder.
    """
    path = folder / HEAD_NAME
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
        if (header["format"], header["frames_per_second"]) != (FORMAT, FRAMES_PER_SECOND):
            raise _unusable(path, f"it has format {header['format']!r}; {FORMAT} is what is read here")
        head = AlignerHead(
            vocabulary=str(header["vocabulary"]),
            threshold=float(header["threshold"]),
            about=str(header["about"]),
            **load_file(path),
        )
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    _check(head, path, width)
    return head


def _check(head: AlignerHead, path: Path, width: int) -> None:
    classes = len(head.vocabulary) + 1
    expected = {
        "weight": (classes, width),
        "bias": (classes,),
        "log_prior": (classes,),
        "durations": (classes + 2, 2),
    }
    for name, tensor in head.tensors().items():
        if tuple(tensor.shape) != expected[name] or not bool(torch.isfinite(tensor).all()):
            raise _unusable(
                path,
                f"{name} is {tuple(tensor.shape)}; for this model's encoder it must be {expected[name]}, all finite",
            )


def _unusable(path: Path, reason: str) -> EarmarkError:
    return EarmarkError(
        "recognition:model:aligner",
        f"The aligner {path} cannot be used: {reason}.",
        "Put back the file that the model was saved with, or train the aligner again.",
    )
