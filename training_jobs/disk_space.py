"""Room on the disk for a training: before it starts, and while it goes on."""

import shutil
from pathlib import Path

from django.conf import settings

from earmark.speech.errors import EarmarkError

BYTES_PER_SECOND = 32_000
"""Of audio in a job folder: 16-bit samples at 16 kHz; FLAC takes less."""
CHECKPOINTS = 2
"""The one that is there and the one being written."""


def free_bytes(folder: Path) -> int:
    """Free bytes where `folder` is, or will be."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return shutil.disk_usage(there).free


def needed_bytes(*, seconds: float, weights: int, optimiser: int) -> int:
    """Most bytes a job folder grows to: its audio, two checkpoints of student, teacher and optimiser, best and result.

    `weights` and `optimiser` are bytes in memory, as `training_jobs.recipe.memory` works them out.
    """
    return round(seconds * BYTES_PER_SECOND + CHECKPOINTS * (2 * weights + optimiser) + 2 * weights)


def checkpoint_bytes(folder: Path) -> int:
    """Size of the newest checkpoint in a job folder, 0 where there is none."""
    saved = sorted((folder / "checkpoint").glob("save-*")) if folder.is_dir() else []
    return sum(_size(path) for path in saved[-1].rglob("*")) if saved else 0


def is_short(folder: Path) -> bool:
    """Whether another checkpoint would leave less than EARMARK_KEEP_FREE_GB."""
    return free_bytes(folder) < settings.EARMARK.keep_free_bytes + checkpoint_bytes(folder)


def no_space(folder: Path, needed: int) -> EarmarkError:
    """The error of a disk that is too full for a training."""
    return EarmarkError(
        "training:disk:no-space",
        f"{free_bytes(folder) / 1e9:.1f} GB are free where {folder} is; the training needs {needed / 1e9:.1f} GB and "
        f"{settings.EARMARK.keep_free_bytes / 1e9:.1f} GB must stay free.",
        "Free some of the disk; then retry the training: it goes on where it was.",
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
