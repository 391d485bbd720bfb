"""Archives: which there are, what no member of one may be, and each member as a file, one at a time.

Nothing is ever unpacked under a member's own name: a copy has a name of ours, and lasts as long as it is looked at.
"""

import posixpath
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from earmark.corpus.listing import HIDDEN, is_hidden
from earmark.corpus.sources.passing import LARGEST_FILE
from earmark.corpus.sources.trees import (
    LARGEST_TEXT,
    RefusedFileError,
    Tree,
    normal,
    shown,
    too_large,
    unreadable,
)
from earmark.speech.errors import EarmarkError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
INSIDE = (*SUFFIXES, ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")
NESTED, TWICE = "archive in the archive", "twice in the archive"
MOST_MEMBERS = 2_000_000
MOST_RATIO, FREE_BYTES = 200, 64 << 20
BLOCK = 1 << 20

ARCHIVE_UNREADABLE = "corpus:archive:unreadable"
ARCHIVE_OUTSIDE = "corpus:archive:outside"
NO_FILE = "corpus:archive:no-file"
ENCRYPTED = "corpus:archive:encrypted"
ARCHIVE_UNSUPPORTED = "corpus:archive:unsupported"
BOMB = "corpus:archive:bomb"
TOO_MANY_MEMBERS = "corpus:archive:too-many"

_HINTS = {
    ARCHIVE_UNREADABLE: "Make the archive again and copy it whole, or unpack it and import the folder.",
    ARCHIVE_OUTSIDE: "Make the archive again with names relative to its top.",
    NO_FILE: "Put the file itself into the archive.",
    ENCRYPTED: "Make the archive without a password.",
    ARCHIVE_UNSUPPORTED: "Make the archive again: ZIP (stored, deflate or bzip2), or tar with gzip, bzip2, xz or none.",
    BOMB: "Unpack it where you can watch it, and import the folder.",
    TOO_MANY_MEMBERS: "Make several archives of it.",
}


@dataclass(frozen=True)
class Member:
    """One file of an archive: its number in there, its path, its size in bytes as declared, and what is wrong."""

    number: int
    path: str
    size: int
    fault: RefusedFileError | None = None


def is_archive(source: str) -> bool:
    """Whether it is an archive by its name."""
    return source.lower().endswith(SUFFIXES)


def archive_tree(path: Path) -> Tree:
    """The archive at `path`, by its name."""
    from earmark.corpus.sources.tars import TarTree
    from earmark.corpus.sources.zips import ZipTree

    return ZipTree(path) if path.name.lower().endswith(".zip") else TarTree(path)


def listed(members: "dict[str, Member]", aside: Counter[str]) -> list[str]:
    """Paths of the members that may come in, in the archive's order; what is hidden or an archive is counted."""
    paths = []
    for path in members:
        if is_hidden(path) or path.startswith("__MACOSX/"):
            aside[HIDDEN] += 1
        elif path.lower().endswith(INSIDE) and not path.lower().endswith(".jsonl.gz"):
            aside[NESTED] += 1
        else:
            paths.append(path)
    return paths


def member(number: int, name: str, size: int, fault: RefusedFileError | None = None) -> Member:
    """A member by the name that the archive gives it; one that leads out of the archive is at fault."""
    path = normal(name.replace("\\", "/") if "/" not in name else name)
    if posixpath.isabs(path) or ".." in path.split("/") or "\x00" in name:
        fault = refused(ARCHIVE_OUTSIDE, "leads out of the archive", path=path)
    elif size > LARGEST_FILE:
        fault = refused(BOMB, f"declares {size} bytes; the most is {LARGEST_FILE}", path=path)
    return Member(number, path.replace("\x00", "\ufffd"), max(size, 0), fault)


def read_small(tree: Tree, path: str, size: int) -> bytes:
    """All of a member, `size` bytes as declared, that describes others. Raises `corpus:manifest:unreadable`."""
    if size > LARGEST_TEXT:
        raise too_large(path)
    try:
        with tree.opened(path) as local:
            return local.read_bytes()
    except RefusedFileError as error:
        raise unreadable(path, f"cannot be had: {error.message}") from None


def refused(error_id: str, why: str, *, path: str) -> RefusedFileError:
    """A member that cannot be had."""
    return RefusedFileError(error_id, f"{shown(path)!r} {why}.", _HINTS[error_id])


def broken(error_id: str, why: str, *, archive: Path) -> EarmarkError:
    """An archive that cannot be had."""
    return EarmarkError(error_id, f"The archive {archive.name!r} {why}.", _HINTS[error_id])


def copying(source: Callable[[], IO[bytes]], one: Member) -> Callable[[IO[bytes]], None]:
    """What copies all of a member into a file, and no byte more than it declares."""

    def copy(target: IO[bytes]) -> None:
        done = 0
        with source() as file:
            while block := file.read(min(BLOCK, one.size + 1 - done)):
                done += len(block)
                if done > one.size:
                    raise refused(
                        BOMB, f"holds more than the {one.size} bytes that it declares", path=one.path
                    )
                target.write(block)
        if done < one.size:
            raise refused(
                ARCHIVE_UNREADABLE, f"holds {done} of the {one.size} bytes that it declares", path=one.path
            )

    return copy
