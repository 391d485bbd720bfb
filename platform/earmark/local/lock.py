"""One stack per `var` folder: a lock the kernel gives back however its holder ends."""

import fcntl
import os
from pathlib import Path
from typing import IO

from earmark.speech.errors import EarmarkError


def take_lock(var: Path) -> IO[str]:
    """Hold `var/stack.lock` until the returned file is closed. Raises EarmarkError `local:stack:running`."""
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = var / "stack.lock"
    path.touch(mode=0o600)
    lock = path.open("r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = lock.read().strip()
        lock.close()
        raise EarmarkError(
            "local:stack:running",
            f"Earmark already runs over {var} (process {holder}).",
            "Stop it first, or give this one a folder of its own with EARMARK_VAR.",
        ) from None
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def holder(var: Path) -> int | None:
    """The process whose stack runs over `var`, or None."""
    try:
        lock = (var / "stack.lock").open("r")
    except FileNotFoundError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read().strip() or 0)
    return None
