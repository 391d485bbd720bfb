"""ZIP archives, read from their directory."""

import contextlib
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from earmark.corpus.sources import archives
from earmark.corpus.sources.archives import Member, broken, copying, member, refused
from earmark.corpus.sources.passing import passing_copy
from earmark.corpus.sources.trees import RefusedFileError, normal

LARGEST_DIRECTORY = 512 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_BROKEN = (zipfile.BadZipFile, OSError, EOFError, ValueError, struct.error, zlib.error, NotImplementedError)


class ZipTree:
    """A ZIP archive, in the order of its directory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, Member] = {}
        self._twice = 0

    def check(self) -> None:
        self._opened()

    def glimpse(self, most: int) -> list[str]:
        self._opened()
        return archives.listed(self._members, Counter())[:most]

    def files(self, aside: Counter[str]) -> list[str]:
        self._opened()
        aside[archives.TWICE] += self._twice
        return archives.listed(self._members, aside)

    def relative(self, path: str) -> str:
        return normal(path)

    def has(self, path: str) -> bool:
        self._opened()
        return path in self._members

    def read(self, path: str) -> bytes:
        return archives.read_small(self, path, self._members[path].size if self.has(path) else 0)

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        archive = self._opened()
        one = self._members.get(path)
        if one is None:
            raise archives.refused(archives.NO_FILE, "is not in the archive", path=path)
        if one.fault:
            raise one.fault
        info = archive.infolist()[one.number]
        try:
            copy = passing_copy(one.size, copying(lambda: archive.open(info), one))
            local = copy.__enter__()
        except _BROKEN as error:
            raise refused(archives.ARCHIVE_UNREADABLE, f"cannot be unpacked ({error})", path=path) from None
        try:
            yield local
        finally:
            copy.__exit__(None, None, None)

    def close(self) -> None:
        if self._zip:
            self._zip.close()
        self._zip = None

    def _opened(self) -> zipfile.ZipFile:
        if self._zip is None:
            try:
                _check_directory(self._path)
                self._zip = zipfile.ZipFile(self._path)
            except (*_BROKEN, RecursionError) as error:
                why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                raise broken(
                    archives.ARCHIVE_UNREADABLE, f"cannot be read ({why})", archive=self._path
                ) from None
            self._list(self._zip.infolist())
        return self._zip

    def _list(self, infos: list[zipfile.ZipInfo]) -> None:
        ends = 0
        for info in sorted(infos, key=lambda one: one.header_offset):
            if info.header_offset < ends:
                raise broken(archives.BOMB, "has members that lie inside one another", archive=self._path)
            ends = info.header_offset + info.compress_size
        self._members, self._twice = {}, 0
        for number, info in enumerate(infos):
            if info.is_dir():
                continue
            one = member(number, info.filename, info.file_size, _fault(info))
            self._twice += one.path in self._members
            self._members.setdefault(one.path, one)


def _fault(info: zipfile.ZipInfo) -> RefusedFileError | None:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 1:
        return refused(archives.ENCRYPTED, "is encrypted", path=info.filename)
    if mode not in (0, stat.S_IFREG):
        return refused(archives.NO_FILE, "is a link or a device and no file", path=info.filename)
    if info.compress_type not in _METHODS:
        return refused(
            archives.ARCHIVE_UNSUPPORTED, f"is packed by method {info.compress_type}", path=info.filename
        )
    if info.file_size > archives.FREE_BYTES and info.file_size > archives.MOST_RATIO * info.compress_size:
        why = f"declares {info.file_size} bytes in {info.compress_size}, more than {archives.MOST_RATIO} for one"
        return refused(archives.BOMB, why, path=info.filename)
    return None


def _check_directory(path: Path) -> None:
    """Refuse a directory that would not fit into memory, before anything reads it."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - 65_557 - 20))
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or at + 22 > len(tail):
            raise zipfile.BadZipFile("there is no directory at its end")
        count, size = struct.unpack_from("<10xHI", tail, at)[0], struct.unpack_from("<12xI", tail, at)[0]
        locator = tail[at - 20 : at] if at >= 20 else b""
        if locator[:4] == _LOCATOR_64:
            file.seek(min(struct.unpack_from("<8xQ", locator)[0], end))
            record = file.read(56)
            if record[:4] == _END_64 and len(record) == 56:
                count, size = struct.unpack_from("<32xQQ", record)
    if count > archives.MOST_MEMBERS or size > LARGEST_DIRECTORY:
        what = (
            f"holds {count} files and a directory of {size} bytes; the most is {archives.MOST_MEMBERS} files"
        )
        raise broken(archives.TOO_MANY_MEMBERS, what, archive=path)
