"""Checkpoints that a kill at any moment cannot spoil: written under another name, flushed, then renamed."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from earmark.speech.errors import EarmarkError

_PREFIX = "save-"
_PROGRESS = "progress.json"
_SUMS = "sha256.json"


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


@dataclass(frozen=True)
class State:
    """What a checkpoint holds beside `Progress`: `names` are those of the parameters that learn."""

    names: Sequence[str]
    student: torch.nn.Module
    teacher: torch.nn.Module
    optimiser: torch.optim.Optimizer


def weights(module: torch.nn.Module, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Those parameters of the module, on the CPU."""
    return {name: module.get_parameter(name).detach().contiguous().cpu() for name in names}


def load_weights(module: torch.nn.Module, names: Sequence[str], tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy `tensors` (from `weights`) into the module. Raises KeyError where one is missing."""
    with torch.no_grad():
        for name in names:
            module.get_parameter(name).copy_(tensors[name])


def save_checkpoint(
    folder: Path, state: State, *, progress: Progress, guard: Mapping[str, torch.Tensor]
) -> None:
    """Write the next `folder/save-<number>`, then drop all but it and the one before, and best weights of neither."""
    folder.mkdir(parents=True, exist_ok=True)
    known = checkpoints(folder)
    number = int(known[0].name.removeprefix(_PREFIX)) + 1 if known else 1
    final = folder / f"{_PREFIX}{number:09d}"
    draft = folder / f"draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    save_file(weights(state.student, state.names), draft / "student.safetensors")
    save_file(weights(state.teacher, state.names), draft / "teacher.safetensors")
    torch.save({"optimiser": state.optimiser.state_dict(), "guard": dict(guard)}, draft / "optimiser.pt")
    (draft / _PROGRESS).write_text(json.dumps(asdict(progress)), encoding="utf-8")
    sums = {path.name: _digest(path) for path in sorted(draft.iterdir())}
    (draft / _SUMS).write_text(json.dumps(sums), encoding="utf-8")
    for path in draft.iterdir():
        _flush(path)
    draft.rename(final)
    _flush(folder)
    _tidy(folder)


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints, newest first: two of them, or fewer where a run has only begun."""
    return sorted(folder.glob(f"{_PREFIX}*"), reverse=True) if folder.exists() else []


def load_checkpoint(path: Path, state: State) -> tuple[Progress, dict[str, torch.Tensor]]:
    """Put a checkpoint back; returns where the run stood and the guard's state.

    Raises EarmarkError `training:checkpoint:unreadable` where it does not fit this model or any of its files is not as
    it was written.
    """
    try:
        sums = json.loads((path / _SUMS).read_text(encoding="utf-8"))
        changed = [name for name, digest in sums.items() if _digest(path / name) != digest]
        if changed:
            raise ValueError(f"{', '.join(changed)} changed since it was written")
        progress = Progress(**json.loads((path / _PROGRESS).read_text(encoding="utf-8")))
        # on the CPU: of several processes none shall fill the device of the one that wrote it
        rest: dict[str, Any] = torch.load(path / "optimiser.pt", map_location="cpu", weights_only=True)
        load_weights(state.student, state.names, load_file(path / "student.safetensors"))
        load_weights(state.teacher, state.names, load_file(path / "teacher.safetensors"))
        state.optimiser.load_state_dict(rest["optimiser"])
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
        raise EarmarkError(
            "training:checkpoint:unreadable",
            f"The checkpoint {path} cannot be taken up: {error!r}.",
            "Delete the job's checkpoint folder to train from the start.",
        ) from error
    return progress, rest["guard"]


def put_aside(path: Path) -> None:
    """Let a damaged checkpoint count no longer; it is dropped when the next one is saved."""
    path.rename(path.with_name(f"damaged-{path.name}-{os.getpid()}"))


def save_best(folder: Path, step: int, tensors: dict[str, torch.Tensor]) -> None:
    """Keep these weights as the best so far; they count once a checkpoint refers to `step`."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"draft-best-{os.getpid()}"
    save_file(tensors, draft)
    _flush(draft)
    draft.rename(best_path(folder, step))


def best_path(folder: Path, step: int) -> Path:
    return folder / f"best-{step:09d}.safetensors"


def _tidy(folder: Path) -> None:
    kept = checkpoints(folder)[:2]
    best = {best_path(folder, step) for step in map(_best_step, kept)}
    for path in folder.iterdir():
        if path.name.startswith((_PREFIX, "draft-", "damaged-")) and path not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif path.name.startswith("best-") and path not in best:
            path.unlink()


def _best_step(checkpoint: Path) -> int:
    try:
        return int(json.loads((checkpoint / _PROGRESS).read_text(encoding="utf-8"))["best_step"])
    except (OSError, ValueError, KeyError):
        return -1


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
