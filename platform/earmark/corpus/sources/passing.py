"""Passing copies: a file from an archive or a bucket lies here while it is looked at, and is gone after."""

import contextlib
import errno
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from django.conf import settings

from earmark.speech.errors import EarmarkError

FOLDER = "arriving"
LARGEST_FILE = 64 << 30
RESERVE = 256 << 20
ABANDONED_AFTER_SECONDS = 24 * 3600.0


def folder() -> Path:
    """Where the copies lie: below `EARMARK_VAR`, on the worker's machine."""
    place: Path = settings.EARMARK.var / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    return place


@contextlib.contextmanager
def passing_copy(size: int, write: Callable[[IO[bytes]], None]) -> Iterator[Path]:
    """A new file of `size` bytes that `write` fills; gone when the context ends.

    Raises EarmarkError `corpus:import:no-room`, and whatever `write` raises.
    """
    place = folder()
    check_room(place, size)
    copy = tempfile.NamedTemporaryFile(dir=place)  # noqa: SIM115 - closing it may fail as writing did
    try:
        try:
            write(copy)
            copy.flush()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(place, size) from None
            raise
        yield Path(copy.name)
    finally:
        with contextlib.suppress(OSError):
            copy.close()


def check_room(place: Path, size: int) -> None:
    """Raise EarmarkError `corpus:import:no-room` unless `size` bytes fit and leave something over."""
    if shutil.disk_usage(place).free < size + RESERVE:
        raise _no_room(place, size)


def sweep_abandoned() -> None:
    """Delete copies that a killed process left behind long ago."""
    for path in folder().iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - ABANDONED_AFTER_SECONDS:
                path.unlink()


def _no_room(place: Path, size: int) -> EarmarkError:
    return EarmarkError(
        "corpus:import:no-room",
        f"There is no room for {size / 1e6:.1f} MB at {place}, which must leave {RESERVE >> 20} MiB free.",
        "Make room there, or put EARMARK_VAR on a larger disk; then retry the import: it goes on where it was.",
    )
