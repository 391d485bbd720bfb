"""Bytes in the default storage under names that follow from their content: kept once, whole or not at all."""

import contextlib
import hashlib
import os
import tempfile
import threading
import time
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages

from earmark.speech import audio_faults
from earmark.speech.errors import EarmarkError

BLOCK = 1 << 20
ARRIVING = "arriving"
ABANDONED_AFTER_SECONDS = 24 * 3600.0

_last = threading.local()
"""Of each thread: the process it was in, and what it copied last under which name."""


class UnreachableError(EarmarkError):
    """The storage does not answer, or refuses us: no fault of what was to be kept or read."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "corpus:storage:unreachable",
            f"The storage did not do as it was asked: {error}.",
            "Check EARMARK_MEDIA, the endpoint and what the account may do there; then try again.",
        )


@contextlib.contextmanager
def reached() -> Iterator[None]:
    """Tell of a storage that does not answer or refuses us: raises UnreachableError."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UnreachableError(error) from error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, read in blocks. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@reached()
def keep_file(name: str, source: Path, *, sha256: str) -> bool:
    """Store a copy of `source` as `name`, unless it is there; whether it was not.

    Raises EarmarkError `corpus:import:changed`.
    """
    if default_storage.exists(name):
        return False
    part = _part_beside(name)
    if part is None:
        with tempfile.NamedTemporaryFile() as spool:
            _copy(source, spool, sha256)
            spool.seek(0)
            _save(name, File(spool))
        return True
    try:
        with part.open("xb") as file:
            _copy(source, file, sha256)
        _into_place(part, name)
    finally:
        part.unlink(missing_ok=True)
    return True


@reached()
def keep_bytes(name: str, data: bytes) -> None:
    """Store `data` as `name`, unless it is there."""
    if default_storage.exists(name):
        return
    part = _part_beside(name)
    if part is None:
        _save(name, ContentFile(data))
        return
    part.write_bytes(data)
    _into_place(part, name)


@contextlib.contextmanager
def local(name: str) -> Iterator[Path]:
    """A path on this machine that holds what is stored as `name`: itself for a folder, a passing copy for a bucket.

    The last copy stays with the thread until it asks for another: a long recording is read window by window.
    Raises EarmarkError `corpus:audio:missing`, `corpus:storage:unreachable`; from a folder, the absence shows when the
    path is opened.
    """
    if _folder() is not None:
        yield Path(default_storage.path(name))
        return
    pid, of, copy = getattr(_last, "copy", (0, "", None))
    if copy is None or (pid, of) != (os.getpid(), name):
        copy = _copied(name)
        _last.copy = (os.getpid(), name, copy)
    yield copy.path


class _Copy:
    """A file of this machine that is gone with the last reference to it, or with the process."""

    def __init__(self) -> None:
        file, name = tempfile.mkstemp()
        os.close(file)
        self.path = Path(name)
        weakref.finalize(self, _remove, self.path, os.getpid())


def _remove(path: Path, pid: int) -> None:
    if os.getpid() == pid:
        path.unlink(missing_ok=True)


def _copied(name: str) -> _Copy:
    copy = _Copy()
    try:
        with reached(), default_storage.open(name) as stored, copy.path.open("wb") as target:
            while block := stored.read(BLOCK):
                target.write(block)
    except FileNotFoundError:
        hint = audio_faults.HINTS[audio_faults.MISSING]
        raise EarmarkError(audio_faults.MISSING, f"{name!r} is not in the storage.", hint) from None
    return copy


@reached()
def read(name: str) -> bytes | None:
    """All that is stored as `name`; None when nothing is."""
    try:
        with default_storage.open(name) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


@reached()
def size(name: str) -> int | None:
    """How many bytes are stored as `name`; None when nothing is."""
    try:
        return default_storage.size(name)
    except FileNotFoundError:
        return None


@reached()
def part(name: str, *, first: int, last: int) -> bytes:
    """Bytes first to last, both included, of what is stored as `name`. Raises FileNotFoundError."""
    with default_storage.open(name) as file:
        file.seek(first)
        return bytes(file.read(last - first + 1))


@reached()
def forget(name: str) -> None:
    """Delete what is stored as `name`; nothing there is nothing to do."""
    default_storage.delete(name)


@reached()
def forget_below(name: str) -> None:
    """Delete everything stored in the folder `name`, and below it."""
    try:
        folders, files = default_storage.listdir(name)
    except FileNotFoundError:
        return
    for folder in folders:
        forget_below(f"{name}/{folder}")
    for file in files:
        forget(f"{name}/{file}")
    if _folder() is not None:
        forget(name)


def sweep_abandoned() -> None:
    """Delete half-written files that a killed process left behind long ago."""
    folder = _folder()
    if folder is None or not (folder / ARRIVING).is_dir():
        return
    for path in (folder / ARRIVING).iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - ABANDONED_AFTER_SECONDS:
                path.unlink()


def _folder() -> Path | None:
    """Where the storage is a folder of ours, that folder."""
    storage = storages["default"]
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None


def _part_beside(name: str) -> Path | None:
    """Where to write before `name` appears in one move; None for a storage that is no folder of ours."""
    folder = _folder()
    if folder is None:
        return None
    (folder / ARRIVING).mkdir(parents=True, exist_ok=True)
    return folder / ARRIVING / f"{uuid.uuid4().hex}{Path(name).suffix}"


def _into_place(part: Path, name: str) -> None:
    path = Path(default_storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    part.replace(path)


def _copy(source: Path, target: "BinaryIO | tempfile._TemporaryFileWrapper[bytes]", sha256: str) -> None:
    digest = hashlib.sha256()
    for block in _blocks(source):
        digest.update(block)
        target.write(block)
    if digest.hexdigest() != sha256:
        raise _changed(source, "has other bytes")


def _blocks(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        raise _changed(source, f"cannot be read ({error.strerror})") from error


def _changed(source: Path, what: str) -> EarmarkError:
    return EarmarkError(
        "corpus:import:changed",
        f"{source.name!r} {what} since it was first looked at.",
        "Import the folder again when nothing writes to it.",
    )


def _save(name: str, content: "File[bytes]") -> None:
    """Save under exactly `name`: two writers at once write the same bytes, so the later copy is dropped."""
    saved = default_storage.save(name, content)
    if saved != name:
        default_storage.delete(saved)
