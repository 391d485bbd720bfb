"""Checkpoints that a kill at any moment cannot spoil: written under another name, flushed, then renamed."""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from earmark.speech.errors import EarmarkError

_PREFIX = "save-"


@dataclass
class Progress:
    """Where a run stands. With the weights, the averages and the seed this is all that the rest depends on.

    `step`: optimiser steps done. `labelling_pass`: which pass the current pseudo-labels come from, 0 for
    none, and `labelled_step` the step before which it was made. `paused`: pseudo-labels are left out until
    the next epoch. `stale`: epochs without a better dev error rate. `best_step`: the step whose weights lie
    in `best-<step>.safetensors`, -1 for none; `best_error_rate` is theirs. `lowest_error_rate` is the lowest of
    all on dev, with its standard error.
    """

    step: int = 0
    labelling_pass: int = 0
    labelled_step: int = -1
    paused: bool = False
    pauses: int = 0
    stale: int = 0
    best_error_rate: float | None = None
    lowest_error_rate: float | None = None
    lowest_spread: float = 0.0
    best_step: int = -1
    stopped_early: bool = False
    seconds: float = 0.0


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, tied ones once."""
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    return {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}


def load_weights(module: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Copy `tensors` (from `weights`) into the module. Raises KeyError where one is missing."""
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def save_checkpoint(
    folder: Path,
    *,
    progress: Progress,
    student: torch.nn.Module,
    teacher: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    guard: dict[str, torch.Tensor],
) -> None:
    """Write the next `folder/save-<number>`, then drop older ones and best weights no longer referred to."""
    folder.mkdir(parents=True, exist_ok=True)
    latest = latest_checkpoint(folder)
    number = int(latest.name.removeprefix(_PREFIX)) + 1 if latest else 1
    final = folder / f"{_PREFIX}{number:09d}"
    draft = folder / f"draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    save_file(weights(student), draft / "student.safetensors")
    save_file(weights(teacher), draft / "teacher.safetensors")
    torch.save({"optimiser": optimiser.state_dict(), "guard": guard}, draft / "optimiser.pt")
    (draft / "progress.json").write_text(json.dumps(asdict(progress)), encoding="utf-8")
    for path in draft.iterdir():
        _flush(path)
    draft.rename(final)
    _flush(folder)
    _tidy(folder, final, progress)


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, None where there is none."""
    return max(folder.glob(f"{_PREFIX}*"), default=None) if folder.exists() else None


def load_checkpoint(
    path: Path,
    *,
    student: torch.nn.Module,
    teacher: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
) -> tuple[Progress, dict[str, torch.Tensor]]:
    """Put a checkpoint back; returns where the run stood and the guard's state.

    Raises EarmarkError `training:checkpoint:unreadable` where it does not fit this model or is damaged.
    """
    try:
        load_weights(student, load_file(path / "student.safetensors"))
        load_weights(teacher, load_file(path / "teacher.safetensors"))
        rest: dict[str, Any] = torch.load(path / "optimiser.pt", weights_only=True)
        optimiser.load_state_dict(rest["optimiser"])
        progress = Progress(**json.loads((path / "progress.json").read_text(encoding="utf-8")))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise EarmarkError(
            "training:checkpoint:unreadable",
            f"The checkpoint {path} cannot be taken up: {error!r}.",
            "Delete the job's checkpoint folder to train from the start.",
        ) from error
    return progress, rest["guard"]


def save_best(folder: Path, step: int, model: torch.nn.Module) -> None:
    """Keep these weights as the best so far; they count once a checkpoint refers to `step`."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"draft-best-{os.getpid()}"
    save_file(weights(model), draft)
    _flush(draft)
    draft.rename(best_path(folder, step))


def best_path(folder: Path, step: int) -> Path:
    return folder / f"best-{step:09d}.safetensors"


def _tidy(folder: Path, current: Path, progress: Progress) -> None:
    best = best_path(folder, progress.best_step)
    for path in folder.iterdir():
        if path.name.startswith((_PREFIX, "draft-")) and path != current:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif path.name.startswith("best-") and path != best:
            path.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
