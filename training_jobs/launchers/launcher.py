"""What every launcher can do, and what it is told. Chosen by dotted path, made with its options as keywords."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Handle = dict[str, Any]
"""What a launcher must know to find again what it started: JSON, so that another worker can take over."""

DONE = 0
CANNOT = 2
"""The trainer has said in one line of JSON why it cannot go on."""
STOPPED = 75
"""The trainer saved a checkpoint and left."""
LOST = -1
"""Nobody knows how it ended: it went without leaving an exit code."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One start of one training. `number` counts the starts of this folder from 1; `devices` are names of slots."""

    folder: Path
    number: int = 1
    processes: int = 1
    devices: tuple[str, ...] = ()


class Launcher(Protocol):
    """Starts `python -m training_jobs.recipe FOLDER` somewhere, and says how it is.

    `stays`: the worker that started it must stay with it; otherwise it is asked after now and then, by any worker.
    """

    stays: bool

    def start(self, launch: Launch) -> Handle:
        """Start the trainer in `launch.folder`. Raises EarmarkError `training:launcher:*`."""

    def poll(self, launch: Launch, handle: Handle) -> int | None:
        """The exit code, None while it waits or runs; may note in `handle` what it wants to remember.

        Raises EarmarkError `training:launcher:*` where it could not be started.
        """

    def stop(self, launch: Launch, handle: Handle, *, hard: bool) -> None:
        """Have it save a checkpoint and leave; `hard`: kill it. Nothing happens to what has ended."""

    def leave(self, handle: Handle) -> None:
        """The worker goes: what must not live without it saves a checkpoint and ends."""
