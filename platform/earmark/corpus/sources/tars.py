"""Tar archives, packed or not, read from the beginning to the end."""

import bz2
import contextlib
import io
import lzma
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from earmark.corpus.sources import archives
from earmark.corpus.sources.archives import Member, broken, copying, member, refused
from earmark.corpus.sources.passing import passing_copy
from earmark.corpus.sources.trees import normal

LARGEST_HEADER = 1 << 20
XZ_MEMORY = 256 << 20
GLIMPSE_BYTES = 32 << 20
_BROKEN = (
    *(tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError),
    *(ValueError, OverflowError, RecursionError, MemoryError),
)
_META = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


class _Bomb(Exception):
    """The archive unpacks to far more than it holds."""


class _Unpacker(Protocol):
    """What the decompressors of zlib, bz2 and lzma have alike."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /, max_length: int = ...) -> bytes: ...


class _Unpacked(io.RawIOBase):
    """What a packed file unpacks to, in small steps, as long as it stays in proportion."""

    def __init__(self, file: BinaryIO, kind: str) -> None:
        self._file, self._kind = file, kind
        self._unpacker: _Unpacker = _unpacker(kind)
        self._waiting = b""
        self._made = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._unpacker.eof:
                self._waiting = self._unpacker.unused_data or self._file.read(archives.BLOCK)
                if not self._waiting.strip(b"\x00"):
                    return 0
                self._unpacker = _unpacker(self._kind)
            data = self._unpacker.decompress(self._waiting, len(buffer))
            self._waiting = getattr(self._unpacker, "unconsumed_tail", b"")
            if data:
                break
            if not self._unpacker.eof and not self._waiting:
                self._waiting = self._file.read(archives.BLOCK)
                if not self._waiting:
                    raise EOFError("it ends too early")
        self._made += len(data)
        if self._made > archives.FREE_BYTES and self._made > archives.MOST_RATIO * self._file.tell():
            raise _Bomb
        buffer[: len(data)] = data
        return len(data)


class _Info(tarfile.TarInfo):
    """Refuses a header about a header that is out of all proportion, before it is read into memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _META and not 0 <= self.size <= LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


@dataclass
class _Pass:
    """One reading of the archive; `number` counts the members that have been passed."""

    file: BinaryIO
    archive: tarfile.TarFile
    number: int = 0

    def next(self) -> tarfile.TarInfo | None:
        info = self.archive.next()
        self.archive.members = []  # type: ignore[attr-defined]
        self.number += info is not None
        return info

    def close(self) -> None:
        self.archive.close()
        self.file.close()


class TarTree:
    """A tar archive, in the order of its members."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, Member] | None = None
        self._twice = 0
        self._pass: _Pass | None = None

    def check(self) -> None:
        with self._explained(), contextlib.closing(self._begin()) as reading:
            if reading.next() is None:
                raise tarfile.ReadError("it is empty")

    def glimpse(self, most: int) -> list[str]:
        if self._members is not None:
            return archives.listed(self._members, Counter())[:most]
        seen: dict[str, Member] = {}
        with self._explained(), contextlib.closing(self._begin()) as reading:
            while len(seen) < most and reading.file.tell() < GLIMPSE_BYTES and (info := reading.next()):
                one = _member(reading.number - 1, info)
                if not info.isdir():
                    seen.setdefault(one.path, one)
        return archives.listed(seen, Counter())

    def files(self, aside: Counter[str]) -> list[str]:
        members = self._listed()
        aside[archives.TWICE] += self._twice
        return archives.listed(members, aside)

    def relative(self, path: str) -> str:
        return normal(path)

    def has(self, path: str) -> bool:
        return path in self._listed()

    def read(self, path: str) -> bytes:
        return archives.read_small(self, path, self._listed()[path].size if self.has(path) else 0)

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        one = self._listed().get(path)
        if one is None:
            raise refused(archives.NO_FILE, "is not in the archive", path=path)
        if one.fault:
            raise one.fault
        with self._explained():
            reading = self._at(one.number)
            info = reading.next()
            copy = passing_copy(one.size, copying(lambda: _content(reading.archive, info), one))
            local = copy.__enter__()
        try:
            yield local
        finally:
            copy.__exit__(None, None, None)

    def close(self) -> None:
        if self._pass:
            self._pass.close()
        self._pass = None

    def _listed(self) -> dict[str, Member]:
        """Every member that is not a folder; a name that comes again is left aside."""
        if self._members is None:
            members: dict[str, Member] = {}
            self._twice = 0
            with self._explained(), contextlib.closing(self._begin()) as reading:
                while info := reading.next():
                    if reading.number > archives.MOST_MEMBERS:
                        what = f"holds more than {archives.MOST_MEMBERS} files"
                        raise broken(archives.TOO_MANY_MEMBERS, what, archive=self._path)
                    if not info.isdir():
                        one = _member(reading.number - 1, info)
                        self._twice += one.path in members
                        members.setdefault(one.path, one)
            self._members = members
        return self._members

    def _at(self, number: int) -> _Pass:
        """A reading that stands before that member: the one under way, or where it is past it, a new one."""
        if self._pass and self._pass.number > number:
            self.close()
        self._pass = self._pass or self._begin()
        while self._pass.number < number:
            if self._pass.next() is None:
                raise EOFError("it has become shorter")
        return self._pass

    def _begin(self) -> _Pass:
        file = self._path.open("rb")
        kind = _packed_by(file)
        try:
            if kind:
                stream = io.BufferedReader(_Unpacked(file, kind), archives.BLOCK)
                return _Pass(file, tarfile.open(fileobj=stream, mode="r|", tarinfo=_Info))
            return _Pass(file, tarfile.open(fileobj=file, mode="r:", tarinfo=_Info))
        except BaseException:
            file.close()
            raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except _Bomb:
            what = f"unpacks to more than {archives.MOST_RATIO} times its size"
            raise broken(archives.BOMB, what, archive=self._path) from None
        except _BROKEN as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise broken(archives.ARCHIVE_UNREADABLE, f"cannot be read ({why})", archive=self._path) from None


def _packed_by(file: BinaryIO) -> str:
    head = file.read(6)
    file.seek(0)
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:3] == b"BZh":
        return "bzip2"
    return "xz" if head == b"\xfd7zXZ\x00" else ""


def _unpacker(kind: str) -> _Unpacker:
    if kind == "gzip":
        return zlib.decompressobj(wbits=31)
    return bz2.BZ2Decompressor() if kind == "bzip2" else lzma.LZMADecompressor(memlimit=XZ_MEMORY)


def _member(number: int, info: tarfile.TarInfo) -> Member:
    fault = None
    if not info.isreg():
        fault = refused(archives.NO_FILE, "is a link or a device and no file", path=info.name)
    elif info.issparse():
        fault = refused(archives.ARCHIVE_UNSUPPORTED, "is a sparse file", path=info.name)
    return member(number, info.name, info.size, fault)


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo | None) -> Any:
    content = archive.extractfile(info) if info else None
    if content is None:
        raise EOFError("it has become shorter")
    return content
