"""A tree of files from outside: what is in it, what each small file says, and each file as a path, one at a time."""

import contextlib
import os
import re
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Protocol

from earmark.corpus.listing import check_folder, walk
from earmark.speech.errors import EarmarkError

LARGEST_TEXT = 512 << 20
OUTSIDE_THE_TREE = "corpus:import:outside"


class RefusedFileError(EarmarkError):
    """One file of a tree cannot be had, and the others can: its fault is recorded, and the import goes on."""


class Tree(Protocol):
    """Files from outside under paths with slashes."""

    def check(self) -> None:
        """Raise EarmarkError at once when there is no such tree, or it may not be read."""

    def glimpse(self, most: int) -> list[str]:
        """Paths of files, at most so many and in no time: enough to know a layout by."""

    def has(self, path: str) -> bool:
        """Whether there is such a file."""

    def files(self, aside: Counter[str]) -> list[str]:
        """Every file's path, in the order in which they are best opened; what is left aside is counted."""

    def relative(self, path: str) -> str:
        """`path`, as a file of the tree wrote it, as it is called in the tree; unchanged where it leads elsewhere."""

    def read(self, path: str) -> bytes:
        """All of a small file. Raises EarmarkError `corpus:manifest:unreadable`."""

    def opened(self, path: str) -> AbstractContextManager[Path]:
        """A local path that holds that file for as long as the context lasts.

        Raises RefusedFileError where the fault is the file's, and any other EarmarkError where the import cannot go on.
        """

    def close(self) -> None:
        """Let go of it."""


class FolderTree:
    """A folder. Links to files are followed as long as they stay below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._real = os.path.realpath(folder)

    def check(self) -> None:
        check_folder(self._folder)

    def glimpse(self, most: int) -> list[str]:
        paths: list[str] = []
        folders = deque([self._folder])
        while folders and len(paths) < most:
            try:
                entries = sorted(os.scandir(folders.popleft()), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    paths.append(Path(entry.path).relative_to(self._folder).as_posix())
        return paths[:most]

    def has(self, path: str) -> bool:
        return (self._folder / path).is_file()

    def files(self, aside: Counter[str]) -> list[str]:
        self.check()
        return list(walk(self._folder, aside))

    def relative(self, path: str) -> str:
        for root in (str(self._folder.absolute()), self._real):
            if path.startswith(root + "/"):
                return normal(path[len(root) :].lstrip("/"))
        return normal(path)

    def read(self, path: str) -> bytes:
        try:
            file = self._inside(path)
            if not file.is_file():
                raise unreadable(path, "is no file")
            if file.stat().st_size > LARGEST_TEXT:
                raise too_large(path)
            return file.read_bytes()
        except OSError as error:
            raise unreadable(path, f"cannot be read ({error.strerror})") from None

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        yield self._inside(path)

    def close(self) -> None:
        pass

    def _inside(self, path: str) -> Path:
        file = self._folder / path
        real = os.path.realpath(file)
        if not real.startswith(self._real.rstrip("/") + "/"):
            raise outside(path, "leads out of the folder")
        return file


def normal(path: str) -> str:
    """`path` without `.` and doubled slashes; `..` stays, for it leads elsewhere where a folder is a link."""
    return str(PurePosixPath(path)) if path else ""


def outside(path: str, how: str) -> RefusedFileError:
    """A path that leads out of the tree."""
    hint = "Put the file below the folder, or import the folder that holds both."
    return RefusedFileError(OUTSIDE_THE_TREE, f"{shown(path)!r} {how}.", hint)


def unreadable(path: str, why: str) -> EarmarkError:
    """A small file that says what is known of others cannot be read."""
    message = f"{shown(path)!r} {why}."
    hint = "Check that it is there and that the worker may read it."
    return EarmarkError("corpus:manifest:unreadable", message, hint)


def too_large(path: str) -> EarmarkError:
    """A file that should be small is not."""
    return unreadable(path, f"is larger than {LARGEST_TEXT >> 20} MiB")


def shown(path: str) -> str:
    """A path as text that any database and any page can hold: bytes that are no UTF-8 are written out."""
    return re.sub("[\x00-\x1f]", "\ufffd", os.fsencode(path).decode("utf-8", "backslashreplace"))
